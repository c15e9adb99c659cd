"""What a request has done at a database: one statement, a batch, the steps of a transaction. No HTTP is in here."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from outlive.config.http import Http, Principal
from outlive.gateway.conversation import Conversation, Done
from outlive.gateway.databases import Databases
from outlive.gateway.durable import Once
from outlive.gateway.failure import Failure
from outlive.gateway.requests import Batch, Begin, InTransaction, Query
from outlive.gateway.rows import Rows
from outlive.gateway.statement import Statement
from outlive.gateway.transactions import Transaction, Transactions
from outlive.proxy.routes import READ_ONLY_SUFFIX

_GONE: Final = Failure(499, "caller_gone", "The caller has gone.", outcome="failed")


class Job:
    """What is under way for one caller, who may go. With `once` it is not committed here, but with its answer."""

    def __init__(self, once: Once | None = None) -> None:
        self.conversation: Conversation | None = None
        self.once = once
        self.gone = False

    def stop(self) -> bool:
        """The caller has gone: what runs is cancelled, nothing more begins. False where there is nothing yet."""
        self.gone = True
        if self.conversation is None:
            return False
        self.conversation.stop()
        return True

    def done(self, conversation: Conversation) -> None:
        """It is of no use any more, except where its COMMIT is still to come."""
        if self.once is None or self.once.conversation is not conversation:
            conversation.close()

    def go_on(self) -> None:
        """Between two statements. Raises Failure."""
        if self.gone:
            raise _GONE


async def query(job: Job, databases: Databases, principal: Principal, asked: Query, rows: Rows) -> Done:
    """One statement by itself. Raises Failure."""
    conversation = job.conversation = await databases.open(asked.database)
    timeout_s = limited(asked.timeout_s, principal.max_time_s)
    try:
        statement = await conversation.admit(principal, asked.statement)
        job.go_on()
        if not principal.read_only:
            if job.once is not None and not asked.database.endswith(READ_ONLY_SUFFIX):
                await job.once.begin(conversation, [statement], None, timeout_s)
                return await _uncommitted(conversation.run(statement, rows, timeout_s))
            done = await conversation.run(statement, rows, timeout_s)
            if conversation.in_transaction:
                raise Failure(
                    400,
                    "transaction_left_open",
                    "The statement began a transaction, which ends with the request: use /v1/transactions.",
                    outcome="failed",
                )
            return done
        await conversation.begin(isolation=None, read_only=True)
        job.go_on()
        done = await conversation.run(statement, rows, timeout_s)
        await conversation.command("ROLLBACK")
        return done
    finally:
        job.done(conversation)


async def _uncommitted(running: Awaitable[Done]) -> Done:
    """In a transaction that only a success commits."""
    try:
        return await running
    except Failure as failure:
        if failure.outcome == "done":
            failure.outcome = "failed"
        raise


async def _admitted(
    conversation: Conversation, principal: Principal, statements: Sequence[Statement]
) -> list[Statement]:
    """All of them, before any runs. Raises Failure, with the index of the statement."""
    admitted: list[Statement] = []
    for index, statement in enumerate(statements):
        try:
            admitted.append(await conversation.admit(principal, statement))
        except Failure as failure:
            failure.details["statement"] = index
            raise
    return admitted


class Writing:
    """How a batch's answer is written; as here by the native API."""

    def rows(self, index: int, asked: Batch, max_rows: int, max_bytes: int) -> Rows:
        """For the statement at `index`."""
        return Rows(asked.format, max_rows=max_rows, max_bytes=max_bytes)

    def result(self, rows: Rows, done: Done) -> bytes:
        """Of one statement."""
        return result(rows, done)


NATIVE: Final = Writing()


async def batch(
    job: Job,
    databases: Databases,
    principal: Principal,
    asked: Batch,
    http: Http,
    writing: Writing = NATIVE,
    *,
    read_only: bool = False,
    deferrable: bool = False,
) -> bytes:
    """All of it in one transaction, or nothing. Raises Failure, with the index of the statement."""
    statements = asked.parts()
    conversation = job.conversation = await databases.open(asked.database)
    timeout_s = limited(asked.timeout_s, principal.max_time_s)
    results: list[bytes] = []
    left = http.response_max_bytes
    try:
        statements = await _admitted(conversation, principal, statements)
        job.go_on()
        if job.once is None or principal.read_only or asked.database.endswith(READ_ONLY_SUFFIX):
            await conversation.begin(
                isolation=asked.isolation, read_only=principal.read_only or read_only, deferrable=deferrable
            )
        else:
            await job.once.begin(conversation, statements, asked.isolation, timeout_s)
        for index, statement in enumerate(statements):
            job.go_on()
            rows = writing.rows(index, asked, limited(asked.max_rows, principal.max_rows), max(left, 0))
            try:
                done = await conversation.run(statement, rows, timeout_s)
            except Failure as failure:
                failure.details["statement"] = index
                if failure.outcome == "done" or (failure.outcome == "not_run" and index):
                    failure.outcome = "failed"  # it is rolled back with all before it
                raise
            if not conversation.in_transaction or (principal.read_only and not conversation.is_read_only):
                raise Failure(
                    400,
                    "transaction_over",
                    "A statement ended the transaction of the batch: what ran before it may have taken effect.",
                    outcome="unknown",
                    details={"statement": index},
                )
            left -= rows.held_bytes
            results.append(writing.result(rows, done))
        job.go_on()
        if job.once is None or job.once.conversation is None:
            await commit(conversation)
    finally:
        job.done(conversation)
    return b'{"results":[' + b",".join(results) + b"]}"


async def begin(
    job: Job, databases: Databases, principal: Principal, name: str, asked: Begin, http: Http, all: Transactions
) -> Transaction:
    """A transaction over several requests. Raises Failure."""
    conversation = job.conversation = await databases.open(asked.database)
    read_only = asked.read_only or principal.read_only
    try:
        await conversation.begin(isolation=asked.isolation, read_only=read_only)
        job.go_on()
    except BaseException:
        conversation.close()
        raise
    return all.add(
        conversation,
        name,
        read_only=read_only,
        idle_s=limited(asked.idle_timeout_s, http.transaction_idle_timeout_s),
        timeout_s=limited(asked.timeout_s, http.transaction_timeout_s),
    )


async def step(
    job: Job, all: Transactions, transaction: Transaction, principal: Principal, asked: InTransaction, rows: Rows
) -> Done:
    """One statement in a transaction. Raises Failure."""
    conversation = job.conversation = transaction.conversation
    statement = await conversation.admit(principal, asked.statement)
    job.go_on()
    try:
        done = await conversation.run(statement, rows, limited(asked.timeout_s, principal.max_time_s))
    except Failure as failure:
        with suppress(Failure):
            await conversation.confirm()
        if job.gone or not transaction.is_open:
            all.drop(transaction)
            failure.details["transaction"] = "rolled back"
        raise
    if transaction.reopens and not conversation.closed and not conversation.in_transaction:
        await _reopen(all, transaction)
    all.check(transaction, "unknown")
    return done


async def _reopen(all: Transactions, transaction: Transaction) -> None:
    try:
        await transaction.conversation.begin(isolation=None, read_only=transaction.read_only)
    except Failure as failure:
        failure.outcome = "unknown"  # of the statement before it
        all.drop(transaction)
        raise


async def commit(conversation: Conversation) -> None:
    """Raises Failure, also where the server rolled back instead."""
    done = await conversation.run(Statement("COMMIT"), Rows("arrays", max_rows=1, max_bytes=1024), _COMMIT_S)
    if done.command == "ROLLBACK":
        raise Failure(
            409, "rolled_back", "A statement had failed, so the database rolled the transaction back.", outcome="failed"
        )


_COMMIT_S: Final = 60.0
N = TypeVar("N", int, float)


def limited(asked: N | None, most: N) -> N:
    """What was asked for, up to the limit."""
    return most if asked is None else min(asked, most)


def result(rows: Rows, done: Done) -> bytes:
    """One statement's result as JSON."""
    pieces: Sequence[bytes] = rows.pieces
    return b'{"columns":%b,"rows":[%b],%b}' % (rows.head(), b",".join(pieces), tail(rows, done))


def tail(rows: Rows, done: Done) -> bytes:
    """What stands behind the rows, without braces."""
    members: dict[str, object] = {"row_count": rows.count, "rows_affected": done.rows_affected}
    if done.command is not None:
        members["command"] = done.command
    if done.last_insert_id is not None:
        members["last_insert_id"] = done.last_insert_id
    if done.further_results:
        members["further_results"] = done.further_results
    return msgspec.json.encode(members)[1:-1]
