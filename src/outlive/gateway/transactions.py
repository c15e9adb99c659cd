"""Transactions that last over several requests: each is a lease with a deadline.

Its id is a random number with the node's number and a signature over both and the principal: one that was guessed, or
that is another principal's, is not even looked up.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from outlive.gateway.conversation import Conversation
from outlive.gateway.failure import Failure, Outcome

_RANDOM_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 16
_NODE_DIGITS: Final = 6


class Transaction:
    """One that is open. `busy` while a request works in it."""

    def __init__(
        self, id: str, conversation: Conversation, *, principal: str, read_only: bool, idle_s: float, timeout_s: float
    ) -> None:
        self.id = id
        self.conversation = conversation
        self.principal = principal
        self.read_only = read_only
        self.idle_timeout_s = idle_s
        self.timeout_s = timeout_s
        self.reopens = False
        """Whether another one begins where a statement, as DDL in MySQL, has committed this one by itself."""
        self.busy = False
        self.over = False
        self.idle: asyncio.TimerHandle | None = None
        self.end: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the database still has it open, and with the rights that it began with."""
        conversation = self.conversation
        if conversation.closed or not conversation.in_transaction:
            return False
        return conversation.is_read_only or not self.read_only


class Transactions:
    """All of a node. `left` is called with the principal of each that is over."""

    def __init__(self, node: int, left: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._node = node
        self._left = left
        self._key = secrets.token_bytes(32)
        self._open: dict[str, Transaction] = {}

    def add(
        self, conversation: Conversation, principal: str, *, read_only: bool, idle_s: float, timeout_s: float
    ) -> Transaction:
        """One has begun: it has `idle_s` between requests and `timeout_s` in all."""
        text = f"{self._node}.{secrets.token_urlsafe(_RANDOM_BYTES)}"
        id = f"{text}.{self._signature(text, principal)}"
        transaction = self._open[id] = Transaction(
            id, conversation, principal=principal, read_only=read_only, idle_s=idle_s, timeout_s=timeout_s
        )
        transaction.end = self._loop.call_later(timeout_s, self.drop, transaction)
        self._wait(transaction)
        return transaction

    def _signature(self, text: str, principal: str) -> str:
        digest = hmac.digest(self._key, f"{text}\0{principal}".encode(), "sha256")
        return urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).rstrip(b"=").decode()

    @contextmanager
    def working(self, id: str, principal: str) -> Iterator[Transaction]:
        """The transaction, for one request; its idle time begins anew behind it. Raises Failure."""
        text, _, signature = id.rpartition(".")
        signed = hmac.compare_digest(self._signature(text, principal).encode(), signature.encode("utf-8", "replace"))
        transaction = self._open.get(id) if signed else None
        if transaction is None:
            raise Failure(404, "no_such_transaction", self._why_none(text))
        if transaction.conversation.closed:
            self.drop(transaction)
            raise Failure(
                409,
                "transaction_over",
                "The connection of the transaction has ended: the database has rolled it back.",
                outcome="failed",
            )
        if transaction.busy:
            raise Failure(409, "transaction_busy", "Another request works in this transaction.")
        transaction.busy = True
        if transaction.idle is not None:
            transaction.idle.cancel()
        try:
            yield transaction
        finally:
            transaction.busy = False
            if not transaction.over:
                self._wait(transaction)

    def _why_none(self, text: str) -> str:
        node = text.partition(".")[0]
        if not 0 < len(node) <= _NODE_DIGITS or not node.isdecimal() or int(node) == self._node:
            return "There is no such transaction (any more) for this principal on this node."
        return f"The transaction is of node {int(node)}, and this is node {self._node}: send its requests there."

    def _wait(self, transaction: Transaction) -> None:
        transaction.idle = self._loop.call_later(transaction.idle_timeout_s, self.drop, transaction)

    def check(self, transaction: Transaction, outcome: Outcome) -> None:
        """After a statement: what ended the transaction, or changed its rights, ends it here too. Raises Failure."""
        if not transaction.is_open:
            self.drop(transaction)
            raise Failure(
                409,
                "transaction_over",
                "The statement ended the transaction, which only /commit and /rollback may.",
                outcome=outcome,
            )

    def drop(self, transaction: Transaction) -> None:
        """Its time is up, or it is over: what is still open is rolled back."""
        if transaction.over:
            return
        transaction.over = True
        for timer in (transaction.idle, transaction.end):
            if timer is not None:
                timer.cancel()
        self._open.pop(transaction.id, None)
        transaction.conversation.close()
        self._left(transaction.principal)
