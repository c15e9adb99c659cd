"""Locks in PostgreSQL: a row for each, changed by the model under the row's lock. The durable store.

A client of the wire in this process, as requests over HTTP are: it takes its connections from the database's own pool,
one for a few statements, and holds none while anybody waits. Many locks are changed in one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from outlive.gateway.conversation import Conversation
from outlive.gateway.databases import Databases
from outlive.gateway.failure import Failure
from outlive.gateway.rows import Rows
from outlive.gateway.statement import Statement
from outlive.locks.model import apply, end_of
from outlive.locks.state import Applied, Limits, Lock, Signal, Step, Wait
from outlive.locks.store import Batch, StoreFailure

T = TypeVar("T")

_TIMEOUT_S: Final = 10.0
_MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_ROWS: Final = 1_000_000
_TRIES: Final = 4
_MISSING: Final = "42P01"
_AGAIN: Final = frozenset(("40P01", "40001", "23505", "42P07"))
"""Deadlock, a serialization failure, and what another node created meanwhile: nothing was done, and it can be again."""
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS {table} (key text PRIMARY KEY, state text NOT NULL, version bigint NOT NULL,"
    " ends bigint NOT NULL)",
    "CREATE INDEX IF NOT EXISTS {index}_ends ON {table} (ends)",
    "CREATE TABLE IF NOT EXISTS {table}_wakes (node text NOT NULL, key text NOT NULL,"
    " at timestamptz NOT NULL DEFAULT clock_timestamp())",
    "CREATE INDEX IF NOT EXISTS {index}_wakes_node ON {table}_wakes (node)",
)
# The clock is read for each row after its lock was had, which the list of the inner SELECT does not promise.
_LOCK: Final = (
    "WITH locked AS MATERIALIZED"
    " (SELECT key, state, version FROM {table} WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE)"
    f" SELECT key, state, version, {_NOW} FROM locked"
)
_INSERT: Final = (
    "INSERT INTO {table} (key, state, version, ends) SELECT key, '[]', 0, 0 FROM unnest($1::text[]) AS new(key)"
    f" ORDER BY key ON CONFLICT DO NOTHING RETURNING key, state, version, {_NOW}"
)
_UPDATE: Final = (
    "UPDATE {table} AS old SET state = new.state, version = new.version, ends = new.ends"
    " FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS new(key, state, version, ends)"
    " WHERE old.key = new.key"
)
_WAKE: Final = "INSERT INTO {table}_wakes (node, key) SELECT * FROM unnest($1::text[], $2::text[])"
_WOKEN: Final = "DELETE FROM {table}_wakes WHERE node = $1 RETURNING key"
_CHANGED: Final = (
    "SELECT asked.key FROM unnest($1::text[], $2::bigint[]) AS asked(key, version)"
    " LEFT JOIN {table} AS found ON found.key = asked.key WHERE found.version IS DISTINCT FROM asked.version"
)
_FORGET: Final = (
    "DELETE FROM {table} WHERE key IN (SELECT key FROM {table}"
    f" WHERE ends < {_NOW} LIMIT 1000 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM {table}_wakes WHERE at < clock_timestamp() - interval '1 minute'",
)


class PostgresStore:
    """See the module, and `Store`."""

    batch_keys = 64

    def __init__(
        self, databases: Databases, database: str, table: str, node: str, limits: Limits, connections: int
    ) -> None:
        self._databases = databases
        self._database = database
        self._table = table
        self._limits = limits
        self._idle: list[Conversation] = []
        self._closed = False
        self.node = node
        self.batches = connections
        self.woken: Callable[[str], None] = _nobody

    # -- see Store ---------------------------------------------------------------------------------

    async def apply(self, batch: Batch) -> dict[str, Applied]:
        """See `Store`."""
        return await self._work(lambda conversation: self._change(conversation, batch))

    async def _change(self, conversation: Conversation, batch: Batch) -> dict[str, Applied] | None:
        """None where a row came or went meanwhile."""
        await conversation.begin(isolation="read committed", read_only=False)
        rows = {row[0]: row for row in await self._ask(conversation, _LOCK, sorted(batch))}
        new = sorted(key for key, steps in batch.items() if key not in rows and _creates(steps))
        if new:
            rows.update({row[0]: row for row in await self._ask(conversation, _INSERT, new)})
            if not rows.keys() >= set(new):
                await conversation.command("ROLLBACK")
                return None
        found: dict[str, Applied] = {}
        changes: list[tuple[str, str, int, int]] = []
        for key, steps in batch.items():
            _, text, version, now = rows.get(key, ("", "[]", 0, 0))
            lock = msgspec.json.decode(text, type=Lock)
            applied = found[key] = apply(lock, now, steps, self.node, self._limits)
            after = msgspec.json.encode(lock).decode()
            applied.version = version
            if after != text and key in rows:
                applied.version += 1
                changes.append((key, after, applied.version, end_of(lock, self._limits)))
        if changes:
            await self._ask(conversation, _UPDATE, *map(list, zip(*changes, strict=True)))
        wakes = [(node, key) for key, applied in found.items() for node in applied.others]
        if wakes:
            await self._ask(conversation, _WAKE, *map(list, zip(*wakes, strict=True)))
        await conversation.command("COMMIT")
        return found

    async def listen(self) -> None:
        """See `Store`."""
        for (key,) in await self._work(lambda conversation: self._ask(conversation, _WOKEN, self.node)):
            self.woken(key)

    async def changed(self, known: Mapping[str, int]) -> list[str]:
        """See `Store`."""
        keys, versions = list(known), list(known.values())
        rows = await self._work(lambda conversation: self._ask(conversation, _CHANGED, keys, versions))
        return [row[0] for row in rows]

    async def forget(self) -> None:
        """See `Store`."""
        for sql in _FORGET:
            await self._work(partial(self._ask, sql=sql))

    def close(self) -> None:
        """See `Store`."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    # -- the database ------------------------------------------------------------------------------

    async def _work(self, run: Callable[[Conversation], Awaitable[T | None]]) -> T:
        """Runs it with a session of the store's, again where others were in the way. Raises StoreFailure."""
        for _ in range(_TRIES):
            try:
                conversation = await self._open()
            except Failure as failure:
                raise StoreFailure(failure.message, ran=False) from None
            try:
                found = await run(conversation)
            except Failure as failure:
                conversation.close()  # what it began is rolled back
                await self._meet(failure)
                continue
            except BaseException:
                conversation.close()
                raise
            if self._closed:
                conversation.close()
            else:
                self._idle.append(conversation)
            if found is not None:
                return found
        raise StoreFailure("Others change the same locks all the time.", ran=False)

    async def _meet(self, failure: Failure) -> None:
        """Raises StoreFailure where it is of no use to try again."""
        state = failure.details.get("sqlstate")
        if state == _MISSING:
            await self._create()
        elif state not in _AGAIN:
            # A database's own text may quote the keys of others, who share the batch.
            text = f"The store of locks refused ({state})." if state else failure.message
            raise StoreFailure(text, ran=failure.outcome in ("unknown", "done")) from None

    async def _open(self) -> Conversation:
        while self._idle:
            conversation = self._idle.pop()
            if not conversation.closed:
                return conversation
        return await self._databases.open(self._database)

    async def _create(self) -> None:
        index = self._table.rpartition(".")[2]
        try:
            conversation = await self._open()
            try:
                for sql in _CREATE:
                    await self._run(conversation, sql.format(table=self._table, index=index), [])
            finally:
                conversation.close()
        except Failure as failure:
            if failure.details.get("sqlstate") not in _AGAIN:
                raise StoreFailure(f"The tables of locks cannot be made: {failure.message}", ran=False) from None

    async def _ask(self, conversation: Conversation, sql: str, *values: Any) -> list[Sequence[Any]]:
        return await self._run(conversation, sql.format(table=self._table), list(values))

    async def _run(self, conversation: Conversation, sql: str, values: list[Any]) -> list[Sequence[Any]]:
        rows = Rows("arrays", max_rows=_MAX_ROWS, max_bytes=_MAX_BYTES)
        await conversation.run(Statement(sql, values), rows, _TIMEOUT_S)
        return [msgspec.json.decode(row) for row in rows.pieces]


def _creates(steps: list[Step]) -> bool:
    return any(isinstance(step, Wait | Signal) for step in steps)


def _nobody(key: str) -> None:
    pass
