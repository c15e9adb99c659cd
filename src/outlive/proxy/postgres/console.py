"""The console: a virtual database, `outlive`, whose SQL is SHOW, PAUSE, RESUME, RECONNECT, KILL and RELOAD.

psql sends Queries, drivers the extended protocol; both get the same. Statements have no parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from outlive.proxy.client import ProxiedClient
from outlive.proxy.operator import Operator, UnknownName
from outlive.proxy.phases import BUSY, CLOSED, READY
from outlive.proxy.postgres import errors
from outlive.proxy.reports import REPORTS, Table
from outlive.session.postgres.reported import intern_reported
from outlive.wire import ProtocolError
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields, encode_error
from outlive.wire.postgres.frontend import bind_names, parse_names, query_text, scan, target
from outlive.wire.postgres.messages import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
    NO_DATA,
    PARSE_COMPLETE,
    command_complete,
    data_row,
    message,
    ready_for_query,
    row_description,
)

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.services import Services
    from outlive.upstream.route import Route

CONSOLE: Final = "outlive"
"""The database's name; a configured database of this name wins."""
CONSOLE_REPORTS: Final = intern_reported(
    {
        b"server_version": b"18.0",
        b"server_encoding": b"UTF8",
        b"client_encoding": b"UTF8",
        b"DateStyle": b"ISO",
        b"standard_conforming_strings": b"on",
        b"integer_datetimes": b"on",
    }
)
"""What drivers want to know of any server; the version is of the protocol's vocabulary alone."""
_LIMIT_BYTES: Final = 64 * 1024
_PAUSE_POLL_S: Final = 0.05
_TEXT_OID: Final = 25
_NUMBER_OID: Final = 20
_WORD: Final = re.compile(r'"((?:[^"]|"")*)"|([^\s;"]+)')
_HELP: Final = (
    *(f"SHOW {name}" for name in sorted(REPORTS)),
    "PAUSE [database]",
    "RESUME [database]",
    "RECONNECT [database]",
    "KILL database | id",
    "RELOAD",
)
_SETTINGS: Final = frozenset(("SET", "BEGIN", "COMMIT", "ROLLBACK", "DISCARD", "DEALLOCATE"))
"""What drivers say by themselves; it has no effect here."""


class ConsoleSession:
    """In place of a session: there is none at any server."""

    __slots__ = ("settings", "user")

    holds = False

    def __init__(self, user: str) -> None:
        self.user = user
        self.settings = None


class ConsoleClient(ProxiedClient):
    """A client like any other to the node, that never takes a lease."""

    __slots__ = ("_failed", "_operator", "_portal", "_statements")

    is_operator: ClassVar[bool] = True

    def __init__(self, channel: Channel, user: str, route: Route, services: Services, operator: Operator) -> None:
        ProxiedClient.__init__(self, channel, ConsoleSession(user), route, services)
        self._operator = operator
        self._statements: dict[bytes, str] = {}
        self._portal = ""
        self._failed = False

    # -- from the client ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        self._inbox += data
        self.active_at = self.services.now
        self.read_on()

    def read_on(self) -> None:
        """See `ProxiedClient`."""
        while self.phase == READY:
            data = bytes(self._inbox)
            try:
                kinds, bounds = scan(data)
                if not kinds:
                    if len(data) > _LIMIT_BYTES:
                        raise ProtocolError("more than any command of the console")
                    return
                del self._inbox[: bounds[1]]
                self._message(kinds[0], data, bounds[0], bounds[1])
            except ProtocolError:
                self.channel.send(encode_error(errors.MALFORMED))
                self.channel.close()

    def _message(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind == wire.TERMINATE:
            self.channel.close()
        elif kind == wire.SYNC:
            self._failed = False
            self.channel.send(ready_for_query(wire.IDLE))
        elif kind == wire.QUERY:
            self._run(query_text(data, start, end).decode("utf-8", "replace"), described=False, simple=True)
        elif not self._failed:
            self._extended(kind, data, start, end)

    def _extended(self, kind: int, data: bytes, start: int, end: int) -> None:
        send = self.channel.send
        if kind == wire.PARSE:
            name, sql, _ = parse_names(data, start, end)
            if len(self._statements) >= _STATEMENTS_MAX:
                self._statements.clear()
            self._statements[name] = sql.decode("utf-8", "replace")
            send(PARSE_COMPLETE)
        elif kind == wire.BIND:
            _, name, _ = bind_names(data, start, end)
            self._portal = self._statements.get(name, "")
            send(BIND_COMPLETE)
        elif kind == wire.DESCRIBE:
            what, name = target(data, start, end)
            if what == wire.STATEMENT:
                send(message(wire.PARAMETER_DESCRIPTION, b"\0\0"))
            table = self._table(self._statements.get(name, "") if what == wire.STATEMENT else self._portal)
            send(NO_DATA if table is None else _description(table))
        elif kind == wire.EXECUTE:
            self._run(self._portal, described=True, simple=False)
        elif kind == wire.CLOSE:
            what, name = target(data, start, end)
            if what == wire.STATEMENT:
                self._statements.pop(name, None)
            send(CLOSE_COMPLETE)

    # -- commands ----------------------------------------------------------------------------------

    def _table(self, text: str) -> Table | None:
        """The answer to a SHOW; None for what answers no rows."""
        words = _words(text)
        if len(words) == 2 and words[0].upper() == "SHOW":
            what = words[1].upper()
            if what == "HELP":
                return ("command",), [(line,) for line in _HELP]
            report = REPORTS.get(what)
            if report is not None:
                return report(self._operator)
        return None

    def _run(self, text: str, *, described: bool, simple: bool) -> None:
        table = self._table(text)
        try:
            if table is not None:
                rows = b"".join([data_row([_text(value) for value in row]) for row in table[1]])
                head = b"" if described else _description(table)
                self._done(head + rows, b"SHOW", simple=simple)
            else:
                self._command(_words(text), simple=simple)
        except UnknownName as unknown:
            self._refuse(wire.UNDEFINED_OBJECT, f'there is no database or client "{unknown}"', simple=simple)

    def _command(self, words: list[str], *, simple: bool) -> None:
        verb = words[0].upper() if words else ""
        name = words[1] if len(words) == 2 else ""
        if not verb:
            self._done(message(wire.EMPTY_QUERY_RESPONSE, b""), b"", simple=simple)
        elif len(words) > 2 and verb not in _SETTINGS:
            self._refuse(wire.SYNTAX_ERROR, "a command of the console has one name at most", simple=simple)
        elif verb == "PAUSE":
            self._wait_for(self._operator.pause(name), simple=simple)
        elif verb in ("RESUME", "RECONNECT"):
            (self._operator.resume if verb == "RESUME" else self._operator.reconnect)(name)
            self._done(b"", verb.encode(), simple=simple)
        elif verb == "KILL" and name:
            self._operator.kill(name)
            self._done(b"", b"KILL", simple=simple)
        elif verb == "RELOAD":
            if self._operator.reload():
                self._done(b"", b"RELOAD", simple=simple)
            else:
                self._refuse(wire.CONFIG_FILE_ERROR, "the configuration was refused: the log says why", simple=simple)
        elif verb in _SETTINGS:
            self._done(b"", verb.encode(), simple=simple)
        else:
            self._refuse(wire.SYNTAX_ERROR, "unknown command: SHOW HELP lists what there is", simple=simple)

    def _wait_for(self, over: Callable[[], bool], *, simple: bool) -> None:
        """PAUSE answers when every lease has come back."""
        if self.phase == CLOSED:
            return
        if over():
            self.phase = READY
            self._done(b"", b"PAUSE", simple=simple)
            self.read_on()
        else:
            self.phase = BUSY
            self.services.call_later(_PAUSE_POLL_S, lambda: self._wait_for(over, simple=simple))

    def _done(self, rows: bytes, tag: bytes, *, simple: bool) -> None:
        end = ready_for_query(wire.IDLE) if simple else b""
        self.channel.send(rows + (command_complete(tag) if tag else b"") + end)

    def _refuse(self, code: bytes, text: str, *, simple: bool) -> None:
        self._failed = not simple
        error = encode_error(ErrorFields(b"ERROR", code, text.encode()))
        self.channel.send(error + (ready_for_query(wire.IDLE) if simple else b""))

    # -- as a client of the node -------------------------------------------------------------------

    @property
    def is_at_rest(self) -> bool:
        """See `ProxiedClient`."""
        return True

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`."""
        return False

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`."""
        return True

    def end(self, kind: str) -> None:
        """See `ProxiedClient`."""
        self.channel.close()

    def end_for_drain(self) -> None:
        """See `ProxiedClient`."""
        self.channel.send(encode_error(errors.DRAINING))
        self.channel.close()

    def cancelled(self) -> None:
        """A CancelRequest: PAUSE goes on, but nobody waits for it."""
        if self.phase == BUSY:
            self.channel.close()

    def queue_full(self) -> None:
        """See `ProxiedClient`."""

    def lent(self, connection: Any) -> None:
        """See `Client`."""

    def expired(self) -> None:
        """See `Client`."""

    def refused(self, refusal: Any) -> None:
        """See `Client`."""

    def queue_again(self) -> None:
        """See `Client`."""

    def keep_alive(self) -> None:
        """See `ProxiedClient`."""

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""

    def server_lost(self) -> None:
        """See `Lessee`."""

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""

    def abandon(self, connection: Any, phase: int) -> None:
        """See `ProxiedClient`."""


_STATEMENTS_MAX: Final = 100


def _words(text: str) -> list[str]:
    return [quoted.replace('""', '"') or plain for quoted, plain in _WORD.findall(text)]


def _description(table: Table) -> bytes:
    columns, rows = table
    numbers = [bool(rows) and isinstance(rows[0][index], int) for index in range(len(columns))]
    return row_description(
        [(name.encode(), _NUMBER_OID if number else _TEXT_OID) for name, number in zip(columns, numbers, strict=True)]
    )


def _text(value: object) -> bytes | None:
    return None if value is None else str(value).encode("utf-8", "replace")
