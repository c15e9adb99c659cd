"""Idempotency-Keys in the database: a key and its answer are written in the transaction of the statement itself.

So both are there or neither is, whatever ends meanwhile: this node, its connection, the server. The key is claimed by
an insert before the statement; another node's retry waits on that row's lock until the first transaction has ended.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from math import ceil
from typing import Any, Final

import msgspec

from outlive.config.http import Http
from outlive.gateway.conversation import Conversation, Done, Isolation
from outlive.gateway.failure import Failure
from outlive.gateway.key_table import FORGOTTEN_AT_ONCE, MYSQL, POSTGRESQL, KeyTable
from outlive.gateway.rows import Rows
from outlive.gateway.statement import Statement

_TRIES: Final = 4
"""A claim meets a missing table, or a row that is gone when it is read: then it is made again, so often at most."""
_MISSING: Final = frozenset(("42P01", "42S02"))
_CREATED_MEANWHILE: Final = frozenset(("23505", "42P07"))
_NOT_SERIALIZABLE: Final = "40001"
_CREATE_S: Final = 10.0
_FORGET_S: Final = 5.0
_PRINCIPAL_CHARACTERS: Final = 255
_ENVELOPE_BYTES: Final = 1024
_LOCKED: Final = frozenset(("55P03", "57014"))
_LOCK_WAIT: Final = 1205
"""ER_LOCK_WAIT_TIMEOUT."""

# Possessive (`*+`): what matched is not tried again, as many comments could be divided in 2 ** many ways.
_SPACE: Final = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*(?!M?!).*?\*/|\()*+"
_POSTGRESQL_REFUSED: Final = re.compile(
    _SPACE + r"(?:(?:COMMIT|END|ABORT|BEGIN|START|PREPARE)\b|ROLLBACK\b(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))",
    re.IGNORECASE | re.DOTALL,
)
_MYSQL_TAKEN: Final = re.compile(
    _SPACE + r"(?:INSERT|UPDATE|DELETE|REPLACE|SELECT|WITH|VALUES|TABLE|CALL|DO|SHOW|EXPLAIN|DESCRIBE|DESC)\b",
    re.IGNORECASE | re.DOTALL,
)


class Stored(Exception):
    """The key is known: its answer. Not an error, but the way past everything that would have run."""

    def __init__(self, body: bytes) -> None:
        Exception.__init__(self)
        self.body = body


class Once:
    """One request's key. `used`: the database was asked for it; `conversation` holds what is to be committed."""

    def __init__(self, http: Http, principal: str, key: str, what: bytes) -> None:
        self.used = False
        self.conversation: Conversation | None = None
        self._table = http.idempotency_table
        self._principal = principal[:_PRINCIPAL_CHARACTERS]
        self._id = hashlib.sha256(f"{principal}\0{key}".encode()).hexdigest()
        self._request = hashlib.sha256(what).hexdigest()
        self._keep_s = ceil(http.idempotency_keep_s)
        self._max_bytes = http.response_max_bytes

    # -- before the statement ----------------------------------------------------------------------

    async def begin(
        self, conversation: Conversation, statements: list[Statement], isolation: Isolation | None, timeout_s: float
    ) -> None:
        """Begins the transaction and claims the key. Raises Stored where it has run, Failure before anything has."""
        for statement in statements:
            _check(conversation, statement.sql)
        self.used = True
        try:
            await self._claim(conversation, isolation, timeout_s)
        except Failure as failure:
            if failure.outcome == "not_run" or failure.code == "result_not_kept":
                raise
            raise _refused(failure) from None
        self.conversation = conversation

    async def _claim(self, conversation: Conversation, isolation: Isolation | None, timeout_s: float) -> None:
        sql = _sql(conversation)
        values = [self._id, self._principal, self._request, self._keep_s]
        for _ in range(_TRIES):
            await conversation.begin(isolation=isolation, read_only=False)
            try:
                done = await self._run(conversation, sql.claim, values, timeout_s)
            except Failure as failure:
                state = failure.details.get("sqlstate")
                await conversation.command("ROLLBACK")
                if state in _MISSING:
                    await self._create(conversation, sql)
                elif state == _NOT_SERIALIZABLE and failure.details.get("errno") is None:
                    await self._look(conversation, sql, timeout_s)
                else:
                    raise
                continue
            if done.rows_affected:
                return
            await conversation.command("ROLLBACK")
            await self._look(conversation, sql, timeout_s)
        raise _busy()

    async def _look(self, conversation: Conversation, sql: KeyTable, timeout_s: float) -> None:
        """Raises Stored, or Failure; returns where the row has gone meanwhile."""
        rows = Rows("arrays", max_rows=1, max_bytes=self._max_bytes * 2 + _ENVELOPE_BYTES)
        await conversation.run(Statement(sql.look.format(table=self._table), [self._id]), rows, timeout_s)
        if not rows.pieces:
            return
        request, answer = msgspec.json.decode(rows.pieces[0])
        if request != self._request:
            raise Failure(422, "idempotency_key_reused", "This Idempotency-Key came with another request before.")
        if answer is None:
            raise Failure(
                409,
                "result_not_kept",
                "The request's transaction was ended from inside: what it did may have taken effect.",
                outcome="unknown",
            )
        raise Stored(b64decode(answer))

    async def _create(self, conversation: Conversation, sql: KeyTable) -> None:
        try:
            await self._run(conversation, sql.create, [], _CREATE_S)
        except Failure as failure:
            if failure.details.get("sqlstate") not in _CREATED_MEANWHILE:
                text = f"There is no table {self._table}, and the database's user may not create it."
                raise Failure(503, "idempotency_unavailable", text) from None

    # -- after the statement -----------------------------------------------------------------------

    async def keep(self, body: bytes) -> None:
        """The answer, and COMMIT. Raises Failure."""
        conversation = self.conversation
        if conversation is None:
            return
        sql = _sql(conversation)
        answer = {"type": "bytes", "value": b64encode(body).decode()}
        try:
            done = await self._run(conversation, sql.keep, [answer, self._id], _CREATE_S)
        except Failure as failure:
            if failure.outcome == "done":
                failure.outcome = "failed"  # it ends without a COMMIT
            raise
        if not done.rows_affected:
            raise Failure(
                409,
                "transaction_over",
                "The statement ended the transaction of its Idempotency-Key.",
                outcome="unknown",
            )

    async def forget(self, conversation: Conversation) -> bool:
        """Deletes keys whose time is over; whether there may be more. Raises Failure."""
        # At this level MySQL locks no gaps, in which others' keys would have to wait.
        await conversation.begin(isolation="read committed", read_only=False)
        done = await self._run(conversation, _sql(conversation).forget, [], _FORGET_S)
        await conversation.command("COMMIT")
        return done.rows_affected == FORGOTTEN_AT_ONCE

    def close(self) -> None:
        """What was not committed is rolled back."""
        if self.conversation is not None:
            self.conversation.close()

    async def _run(self, conversation: Conversation, text: str, values: list[Any], timeout_s: float) -> Done:
        rows = Rows("arrays", max_rows=1, max_bytes=_ENVELOPE_BYTES)
        return await conversation.run(Statement(text.format(table=self._table), values), rows, timeout_s)


def _busy() -> Failure:
    return Failure(503, "idempotency_key_busy", "The first request with this Idempotency-Key is still under way.")


def _sql(conversation: Conversation) -> KeyTable:
    return POSTGRESQL if conversation.protocol == "postgresql" else MYSQL


def _check(conversation: Conversation, sql: str) -> None:
    """Raises Failure for what would commit, or end, the transaction that holds the key."""
    if conversation.protocol == "postgresql":
        refused = _POSTGRESQL_REFUSED.match(sql) is not None
    else:
        refused = _MYSQL_TAKEN.match(sql) is None
    if refused:
        raise Failure(
            400,
            "not_idempotent",
            "A statement with an Idempotency-Key runs in a transaction, which this one would end: send it without.",
        )


def _refused(failure: Failure) -> Failure:
    """The claim failed: nothing of the caller's has run, so it can be sent again."""
    if failure.code == "statement_timeout" or failure.details.get("sqlstate") in _LOCKED:
        return _busy()
    if failure.details.get("errno") == _LOCK_WAIT:
        return _busy()
    details = {name: value for name, value in failure.details.items() if name in ("sqlstate", "errno")}
    return Failure(503, "idempotency_unavailable", f"The key could not be written: {failure.message}", details=details)
