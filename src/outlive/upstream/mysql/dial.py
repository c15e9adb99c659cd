"""The login at a MySQL server, and the questions whose answers every connection needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from outlive.session.mysql import steps
from outlive.session.mysql.server_facts import ServerFacts, from_tables
from outlive.session.mysql.steps import Step
from outlive.upstream.dial import Dialer
from outlive.upstream.failure import Failure
from outlive.upstream.mysql.key import GREETING_ONLY, Key
from outlive.upstream.mysql.login import CR_SSL, Login
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outlive.upstream.mysql.connection import MySQLConnection
    from outlive.upstream.mysql.server import MySQLServer
    from outlive.wire.mysql.small_reply import SmallReply

_FULL: Final = frozenset((wire.ER_CON_COUNT_ERROR, wire.ER_TOO_MANY_USER_CONNECTIONS, wire.ER_USER_LIMIT_REACHED))
_DENIED: Final = frozenset(
    (
        wire.ER_ACCESS_DENIED_ERROR,
        wire.ER_DBACCESS_DENIED_ERROR,
        wire.ER_NOT_SUPPORTED_AUTH_MODE,
        1698,
        3118,
        4151,
        2059,
        2061,
    )
)
"""Refusals of the user, not of the moment: access denied, no access to the schema,
an unusable plugin, a locked account."""


class MySQLDialer(Dialer):
    """Opens the connections of one MySQL server, and changes their users."""

    server: MySQLServer

    async def dial(self, connection: MySQLConnection) -> Failure | None:
        """See `Dialer`."""
        return await self.guarded(self._dial(connection))

    async def _dial(self, connection: MySQLConnection) -> Failure | None:
        key = connection.login
        # Before the socket is opened: a command may take seconds, and a server does not wait long for a login.
        password = await self._password(key)
        async with asyncio.timeout(self.connect_timeout_s):
            await self.connect(connection)
            if key.attempt == GREETING_ONLY:
                await self._exchange(connection, key, b"", None)
                self.server.meet(connection)
                return None
            return await self._log_in(connection, key, password)

    async def _password(self, key: Key) -> bytes:
        """Raises SecretError."""
        if key.attempt:  # GREETING_ONLY too, which has none
            return self.users.trials.get(key.attempt, b"")
        return await self.users.password(key.user)

    async def _log_in(self, connection: MySQLConnection, key: Key, password: bytes) -> Failure | None:
        error = await self._exchange(connection, key, password, None)
        if error is not None:
            self.server.meet(connection)
            return await self._refused(key, password, error)
        return await self._set_up(connection, key)

    async def _refused(self, key: Key, password: bytes, error: ERR) -> Failure:
        if error.code == wire.ER_ACCESS_DENIED_ERROR and not key.attempt:
            # The secret may have been rotated between reading it and using it; the next dial reads it again.
            if await self.users.password(key.user) != password:
                return Failure("rotated", "access denied while the password was rotated")
            self.users.forget(key.user)
        return _failure(error)

    async def change_user(self, connection: MySQLConnection, key: Key) -> Failure | None:
        """COM_CHANGE_USER and setup, within connect_timeout_s."""
        return await self.guarded(self._change_user(connection, key), "change of user")

    async def _change_user(self, connection: MySQLConnection, key: Key) -> Failure | None:
        password = await self._password(key)
        async with asyncio.timeout(self.connect_timeout_s):
            if connection.session.role is not None:
                # MariaDB 10.11 leaves a role in force over COM_CHANGE_USER (measured), even for a user without it.
                error = await self._run(connection, [steps.query_step(b"SET ROLE NONE")])
                if error is not None:
                    return _failure(error)
            error = await self._exchange(connection, key, password, connection.capabilities)
            if error is not None:
                return await self._refused(key, password, error)
            connection.session.role = None
            connection.session.logged_in()
            return await self._set_up(connection, key)

    async def _exchange(
        self, connection: MySQLConnection, key: Key, password: bytes, capabilities: int | None
    ) -> ERR | None:
        outcome = self.outcome(connection)

        def done(error: ERR | None) -> None:
            connection.logged_in()
            if not outcome.done():
                outcome.set_result(error)

        login = Login(connection, key, password, self.node, tls=self.tls is not None, done=done)
        connection.log_in(login)
        if capabilities is not None:
            login.change_user(capabilities)
        error: ERR | None = await self.awaited(connection, outcome)
        return error

    async def _run(self, connection: MySQLConnection, commands: Sequence[Step]) -> ERR | None:
        outcome = self.outcome(connection)
        connection.run(commands, lambda error: None if outcome.done() else outcome.set_result(error))
        error: ERR | None = await self.awaited(connection, outcome)
        return error

    async def _set_up(self, connection: MySQLConnection, key: Key) -> Failure | None:
        if self.server.facts is None:
            error = await self._find_facts(connection)
            if error is not None:
                return _failure(error)
        facts = self.server.facts
        assert facts is not None
        error = await self._run(connection, steps.first_steps(facts, key.role))
        connection.session.role = key.role
        if error is not None:
            return _failure(error)
        if self.refuses_read_only and connection.read_only and not (key.attempt or key.reads or connection.control):
            return Failure("read_only", "the server is read-only: it is not the primary")
        return None

    async def _find_facts(self, connection: MySQLConnection) -> ERR | None:
        error = await self._run(connection, [steps.ask_step(b"SELECT @@global.init_connect", steps.FACTS)])
        if error is None:
            greets = bool(_only_row(connection.learned.pop())[0])
            error = await self._run(connection, steps.facts_steps(reset=not greets))
        if error is not None:
            return error
        assert connection.greeting is not None
        variables, collations = connection.learned[-2:]
        facts = from_tables(connection.greeting.server_version, variables, collations)
        facts.dead_man_s = self.server.dead_man_s
        error = await self._calibrate(connection, facts)
        if error is None:
            self.server.learn(facts, connection.greeting)
        return error

    async def _calibrate(self, connection: MySQLConnection, facts: ServerFacts) -> ERR | None:
        connection.learned.clear()
        error = await self._run(connection, [steps.ask_step(facts.snapshot_sql(), steps.FACTS)])
        if error is None:
            facts.calibrate(_only_row(connection.learned.pop()))
        return error

    def learn(self, connection: MySQLConnection, reply: SmallReply) -> None:
        """An answer to one of `facts_steps`."""
        connection.learned.append(reply.rows)


def _only_row(rows: list[tuple[bytes | None, ...]]) -> tuple[bytes | None, ...]:
    if len(rows) != 1:
        raise ProtocolError("an answer that is not one row")
    return rows[0]


def _failure(error: ERR) -> Failure:
    text = f"{error.code} {error.message.decode('utf-8', 'replace')[:200]}"
    if error.code in _FULL:
        return Failure("too_many_connections", text, server_full=True)
    if error.code in _DENIED:
        return Failure("login", text, refusal=error)
    if error.code == CR_SSL:
        return Failure("tls", text)
    return Failure("login", text)
