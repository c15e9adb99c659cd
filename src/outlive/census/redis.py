"""Redis and Valkey: CLIENT LIST. Commands' arguments are not in it, and keys and values are never read.

Source: the commands' documentation, "CLIENT LIST" (fields and flags), "CLIENT KILL", "INFO", "CONFIG GET".
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, ClassVar, Final

from outlive.census.connection import Census, Connection, Kind, State, Transaction
from outlive.census.errors import CensusError
from outlive.census.session import ANSWER_S, Row, Session
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.upstream.redis.connection import RedisConnection
from outlive.upstream.redis.dial import RedisDialer
from outlive.upstream.redis.key import as_key, key_of
from outlive.upstream.redis.server import RedisServer
from outlive.upstream.users import Users
from outlive.wire.redis.values import RedisError, Value, as_map, command

LIST_MAX_BYTES: Final = 64 * 1024 * 1024
"""Of CLIENT LIST; a client is about 400 bytes of it."""
_IDS_AT_ONCE: Final = 1000


class _Connection(RedisConnection):
    """Its own replies are large ones."""

    __slots__ = ()
    own_reply_limit_bytes = LIST_MAX_BYTES


class _Server(RedisServer):
    def new_connection(self, key: Any) -> RedisConnection:
        """See `RedisServer`."""
        return _Connection(self, as_key(key))


class RedisSession(Session):
    """See `Session`. It logs in with RESP2, in which every reply is the same on every version."""

    when_full: ClassVar[str] = (
        "Redis keeps no place for operators: everybody counts against maxclients. CONFIG SET maxclients over any"
        " connection that is still open, or stop a client that you know. A reaper that runs already (outlive reap"
        " --watch) keeps its own connection."
    )

    @property
    def product(self) -> str:
        """See `Session`."""
        hello = self._connection.server.hello
        name, version = (_text(hello.get(word)) for word in (b"server", b"version"))
        return f"{name.capitalize()} {version}"

    @property
    def number(self) -> int:
        """The id of this very connection."""
        found: int = self._connection.number
        return found

    def _server(self, users: Users, dead_man_s: int) -> tuple[Any, Any]:
        database = self.database
        dialer = RedisDialer(self.address, users, 0, connect_timeout_s=database.connect_timeout_s, tls=None)
        metrics = ServerMetrics(str(self.address))
        server = _Server(self.address, Limits(control_connections=0), dialer, metrics, dead_man_s=dead_man_s)
        return server, key_of(database.user, 0, 2)

    async def ask(self, *words: str) -> Value:
        """The reply to one command. Raises CensusError."""
        connection = self._connection
        if not self.is_open:
            raise CensusError(f"The connection to {self.address} has ended.", "Is the server still there?")
        sent = command(*(word.encode("utf-8", "surrogateescape") for word in words))
        try:
            async with asyncio.timeout(ANSWER_S):
                replies, error = await self._dialer.ask(connection, [sent])
        except TimeoutError:
            connection.abort()
            raise CensusError(f"{self.address} gave no answer within {ANSWER_S:g} s.", "Is it overloaded?") from None
        except OSError as lost:
            raise CensusError(f"The connection to {self.address} has ended: {lost.strerror or lost}.") from None
        if error is not None:
            raise self._refusal(error)
        found: Value = replies[0]
        return found

    async def rows(self, sql: str) -> list[Row]:
        """See `Session`: of a command, its words parted by spaces, the lines of its reply."""
        return [(line,) for line in _text(await self.ask(*sql.split())).splitlines()]

    def _refusal(self, error: RedisError) -> CensusError:
        return CensusError(f"Redis refuses: {str(error)[:200]}.", code=error.code.decode("ascii", "replace"))

    async def settings(self, *names: str) -> dict[str, str] | None:
        """Of CONFIG GET; None where this user may not ask, as is usual of providers' Redis."""
        found: dict[str, str] = {}
        for name in names:
            try:
                reply = await self.ask("CONFIG", "GET", name)
            except CensusError as error:
                if not error.code:
                    raise
                return None
            found.update({_text(key): _text(value) for key, value in as_map(reply).items()})
        return found

    async def facts(self) -> dict[str, str]:
        """Of INFO. Raises CensusError."""
        lines = [row[0] or "" for row in await self.rows("INFO")]
        return dict(line.split(":", 1) for line in lines if ":" in line)

    async def census(self) -> Census:
        """See `Session`."""
        listed = [fields_of(row[0] or "") for row in await self.rows("CLIENT LIST")]
        return Census(tuple(connection_of(each) for each in listed if each.get("id") != str(self.number)))

    async def listed(self, numbers: Collection[int]) -> dict[int, Connection]:
        """Those of these connections that are there now, by id. Raises CensusError."""
        wanted = sorted(numbers)
        found: dict[int, Connection] = {}
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            some = " ".join(map(str, wanted[at : at + _IDS_AT_ONCE]))
            for row in await self.rows(f"CLIENT LIST ID {some}"):
                connection = connection_of(fields_of(row[0] or ""))
                found[connection.id] = connection
        return found

    async def seen_as(self) -> tuple[str, int]:
        """See `Session`."""
        found = (await self.listed([self.number]))[self.number]
        return found.host, found.port

    async def remaining(self, numbers: Collection[int]) -> set[int]:
        """See `Session`."""
        return set(await self.listed(numbers))


def fields_of(line: str) -> dict[str, str]:
    """Of one line of CLIENT LIST, in which no value has a space."""
    return dict(word.split("=", 1) for word in line.split(" ") if "=" in word)


def connection_of(fields: dict[str, str]) -> Connection:
    """One client, as it is listed. `command` is the name of its last one, and what it waits for."""
    flags = fields.get("flags", "")
    host, _, port = fields.get("addr", "").rpartition(":")
    if "U" in flags:
        host, port = "", "0"  # a unix socket: its path and 0
    idle_s = float(fields.get("idle", 0) or 0)
    queued = int(fields.get("multi", -1) or -1) >= 0 or "x" in flags
    return Connection(
        id=int(fields.get("id", 0) or 0),
        began=fields.get("addr", ""),
        changed=fields.get("idle", "0"),
        kind=Kind.REPLICATION if set("SM") & set(flags) else Kind.CLIENT,
        state=State.ENDING if set("cA") & set(flags) else State.IN_TRANSACTION if queued else State.IDLE,
        user=fields.get("user", ""),
        database=fields.get("db", ""),
        host=host.removeprefix("[").removesuffix("]").removeprefix("::ffff:"),
        port=int(port) if port.isdecimal() else 0,
        program=fields.get("name", "") or fields.get("lib-name", ""),
        command=fields.get("cmd", ""),
        idle_s=idle_s,
        age_s=float(fields.get("age", 0) or 0),
        # Of MULTI only the commands are kept until EXEC: nothing is written yet.
        transaction=Transaction(idle_s, writes=False) if queued else None,
        is_outlive=fields.get("name", "").startswith("outlive"),
        awaits=_awaits(flags, fields),
    )


def _awaits(flags: str, fields: dict[str, str]) -> str:
    if "b" in flags:
        return f"it waits in {fields.get('cmd', '').upper()}"
    if "O" in flags:
        return "it watches with MONITOR"
    subscribed = any(int(fields.get(kind, 0) or 0) > 0 for kind in ("sub", "psub", "ssub"))
    return "it has subscribed" if subscribed or "P" in flags else ""


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)
