"""A PostgreSQL server in a few lines: enough for Outlive to log in, replay, ask and relay; and it can misbehave.

Its answer to a SELECT is one row: the text itself, the application_name in force and the transaction's status. So who
gets a reply can tell whose it is, and in whose session it ran.
"""

import re
from collections.abc import Callable
from typing import Any

from outlive.wire import ProtocolError
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.errors import error_response
from outlive.wire.postgres.frontend import bind_names, execute_portal, parse_names, target
from outlive.wire.postgres.messages import message
from outlive.wire.postgres.reader import MessageReader

from ..transport import Wire

Mutation = Callable[[bytes], list[bytes]]

_TEXT_OID = 25
_COLUMNS = [(b"sql", _TEXT_OID), (b"name", _TEXT_OID), (b"status", _TEXT_OID)]
REPORTED = {
    b"server_version": b"18.0",
    b"server_encoding": b"UTF8",
    b"client_encoding": b"UTF8",
    b"application_name": b"",
    b"is_superuser": b"off",
    b"session_authorization": b"app",
    b"standard_conforming_strings": b"on",
    b"in_hot_standby": b"off",
    b"default_transaction_read_only": b"off",
}
_SET = re.compile(rb'SET (?:SESSION )?"?(\w+)"?(?: TO |\s*=\s*)E?\'?([^\']*)\'?\Z', re.IGNORECASE)
_RESET = re.compile(rb'RESET "?(\w+)"?\Z', re.IGNORECASE)
_CASE = re.compile(rb"EXISTS \(SELECT FROM pg_catalog\.(\w+).*?THEN (\d+)", re.DOTALL)


class Session:
    """What one session of the server knows, and what it answers: pure. `say` takes its bytes."""

    def __init__(self, say: Callable[[bytes], None], startup: dict[bytes, bytes]) -> None:
        self.say = say
        self.status = b"I"
        self.settings = {b"application_name": startup.get(b"application_name", b"")}
        self.defaults = dict(self.settings)
        self.before = dict(self.settings)
        self.told = {**REPORTED, **self.settings}
        self.locks = 0
        self.channels: set[bytes] = set()
        self.statements: dict[bytes, bytes] = {}
        self.portals: dict[bytes, bytes] = {}
        self.skips = False
        self.copies = False
        self.in_extended = False
        self.sleeping = False
        self.waiting: list[tuple[int, bytes]] = []

    # -- SQL

    def run(self, text: bytes, *, described: bool) -> bool:
        """One statement; False where it failed."""
        sql = text.strip()
        upper = sql.upper()
        if self.status == b"E" and not upper.startswith((b"ROLLBACK", b"COMMIT")):
            return self.fail(b"25P02", b"current transaction is aborted")
        if upper.startswith(b"BAD"):
            return self.fail(b"42601", b"syntax error of " + sql[:40])
        if upper.startswith(b"BEGIN"):
            if self.status == b"I":
                self.before = dict(self.settings)
            self.status = b"T"
            return self.complete(b"BEGIN")
        if upper.startswith((b"COMMIT", b"ROLLBACK")):
            undone = self.status == b"E" or upper.startswith(b"ROLLBACK")
            if undone and self.status != b"I":
                self.settings = dict(self.before)
            self.status = b"I"
            return self.complete(b"ROLLBACK" if undone else b"COMMIT")
        return self.change(sql, upper) or self.answer(sql, upper, described=described)

    def change(self, sql: bytes, upper: bytes) -> bool:
        found = _SET.match(sql)
        if found is not None:
            self.settings[found[1].lower()] = found[2]
            return self.complete(b"SET")
        found = _RESET.match(sql)
        if found is not None and upper != b"RESET ALL":
            name = found[1].lower()
            self.settings.pop(name, None)
            if name in self.defaults:
                self.settings[name] = self.defaults[name]
            return self.complete(b"RESET")
        if upper in (b"RESET ALL", b"DISCARD ALL"):
            self.settings = dict(self.defaults)
            if upper == b"DISCARD ALL":
                self.statements.clear()
                self.channels.clear()
                self.locks = 0
            return self.complete(upper)
        if upper.startswith(b"LISTEN"):
            self.channels.add(sql[7:])
            return self.complete(b"LISTEN")
        if upper.startswith(b"UNLISTEN"):
            self.channels.clear()
            return self.complete(b"UNLISTEN")
        return False

    def answer(self, sql: bytes, upper: bytes, *, described: bool) -> bool:
        if upper.startswith(b"COPY") and b"STDIN" in upper:
            self.copies = True
            self.say(message(wire.COPY_IN_RESPONSE, b"\0\0\0"))
            return True
        if upper.startswith(b"COPY"):
            rows = b"".join(message(wire.COPY_DATA, sql + b"\n") for _ in range(3))
            self.say(message(wire.COPY_OUT_RESPONSE, b"\0\0\0") + rows + say.COPY_DONE)
            return self.complete(b"COPY 3")
        if upper.startswith(b"INSERT"):
            return self.complete(b"INSERT 0 1")
        if b"EXISTS (SELECT FROM" in sql:
            counts = {b"pg_locks": self.locks, b"pg_listening_channels": len(self.channels)}
            total = sum(int(bit) for source, bit in _CASE.findall(sql) if counts.get(source))
            return self.rows([[b"%d" % total]], 1, described=described)
        if b"pg_catalog.pg_settings" in sql:
            changed = [(name, value) for name, value in self.settings.items() if self.defaults.get(name) != value]
            return self.rows([[name, value.hex().encode()] for name, value in changed], 2, described=described)
        if b"PG_ADVISORY_LOCK" in upper:
            self.locks += 1
        elif b"PG_ADVISORY_UNLOCK" in upper:
            self.locks = 0
        row = [sql, self.settings[b"application_name"], self.status]
        return self.rows([row], 3, described=described)

    def rows(self, rows: list[list[bytes]], width: int, *, described: bool) -> bool:
        head = b"" if described else say.row_description((_COLUMNS * 2)[:width])
        self.say(head + b"".join(say.data_row(row) for row in rows))
        return self.complete(b"SELECT %d" % len(rows))

    def complete(self, tag: bytes) -> bool:
        self.say(say.command_complete(tag))
        return True

    def fail(self, code: bytes, text: bytes) -> bool:
        self.say(error_response(b"ERROR", code, text))
        if self.status == b"T":
            self.status = b"E"
        return False

    def ready(self) -> None:
        if self.status == b"I":
            self.portals.clear()
        name = self.settings[b"application_name"]
        news = b""
        if self.told[b"application_name"] != name:
            self.told[b"application_name"] = name
            news = say.parameter_status(b"application_name", name)
        self.say(news + say.ready_for_query(self.status[0]))

    # -- messages

    def receive(self, kind: int, payload: bytes) -> None:
        """The client's next message, but Terminate."""
        if self.sleeping:
            self.waiting.append((kind, payload))
        elif self.copies:
            self.copy(kind)
        elif kind == wire.QUERY:
            self.query(payload)
        elif kind == wire.SYNC:
            self.skips = self.in_extended = False
            self.ready()
        elif kind == wire.FUNCTION_CALL:
            self.say(message(wire.FUNCTION_CALL_RESPONSE, b"\0\0\0\x011"))
            self.ready()
        elif self.skips:
            pass
        elif kind in _EXTENDED:
            self.in_extended = True
            if not self.extended(kind, payload):
                self.skips = True

    def copy(self, kind: int) -> None:
        if kind == wire.COPY_DATA or kind in (wire.FLUSH, wire.SYNC):
            return
        self.copies = False
        if kind == wire.COPY_DONE:
            self.complete(b"COPY 1")
        else:
            self.fail(b"57014", b"COPY from stdin failed")
            self.skips = self.in_extended
        if not self.in_extended:
            self.ready()

    def query(self, payload: bytes) -> None:
        if self.skips:
            return
        text = payload[:-1]
        self.statements.pop(b"", None)
        parts = [part for part in text.split(b";") if part.strip()]
        self.in_extended = False
        if not parts:
            self.say(say.EMPTY_QUERY_RESPONSE)
        for part in parts:
            if part.strip().upper().startswith(b"SELECT PG_SLEEP"):
                self.sleeping = True
                return
            if not self.run(part, described=False):
                break
            if self.copies:
                return
        self.ready()

    def wake(self, *, cancelled: bool) -> None:
        """The end of a pg_sleep."""
        if not self.sleeping:
            return
        self.sleeping = False
        if cancelled:
            self.fail(b"57014", b"canceling statement due to user request")
        else:
            self.rows([[b"slept"]], 1, described=False)
        self.ready()
        waiting, self.waiting = self.waiting, []
        for kind, payload in waiting:
            self.receive(kind, payload)

    def extended(self, kind: int, payload: bytes) -> bool:
        data = message(kind, payload)
        if kind == wire.PARSE:
            name, sql, _ = parse_names(data, 0, len(data))
            if name and name in self.statements:
                return self.fail(b"42P05", b'prepared statement "%b" already exists' % name)
            if sql.upper().startswith(b"BAD"):
                if not name:
                    self.statements.pop(b"", None)
                return self.fail(b"42601", b"syntax error of " + sql[:40])
            self.statements[name] = sql
            self.say(say.PARSE_COMPLETE)
        elif kind == wire.BIND:
            portal, name, _ = bind_names(data, 0, len(data))
            if name not in self.statements:
                return self.fail(b"26000", b'prepared statement "%b" does not exist' % name)
            self.portals[portal] = self.statements[name]
            self.say(say.BIND_COMPLETE)
        elif kind == wire.DESCRIBE:
            return self.describe(*target(data, 0, len(data)))
        elif kind == wire.CLOSE:
            what, name = target(data, 0, len(data))
            (self.statements if what == wire.STATEMENT else self.portals).pop(name, None)
            self.say(say.CLOSE_COMPLETE)
        elif kind == wire.EXECUTE:
            portal, _ = execute_portal(data, 0, len(data))
            if portal not in self.portals:
                return self.fail(b"34000", b'portal "%b" does not exist' % portal)
            if not self.portals[portal].strip():
                self.say(say.EMPTY_QUERY_RESPONSE)
                return True
            return self.run(self.portals[portal], described=True)
        return True

    def describe(self, what: int, name: bytes) -> bool:
        known = self.statements if what == wire.STATEMENT else self.portals
        if name not in known:
            return self.fail(b"26000", b'"%b" does not exist' % name)
        parameters = message(wire.PARAMETER_DESCRIPTION, b"\0\0") if what == wire.STATEMENT else b""
        answers = known[name].strip().upper().startswith(b"SELECT")
        self.say(parameters + (say.row_description(_COLUMNS) if answers else say.NO_DATA))
        return True


_EXTENDED = frozenset((wire.PARSE, wire.BIND, wire.DESCRIBE, wire.CLOSE, wire.EXECUTE))


class FakePostgres:
    """The server's end of one `Wire`.

    `held`: nothing is answered until `release`. `mutation` makes what is really said of each answer.
    """

    def __init__(self, owner: "FakeServers", transport: Wire) -> None:
        self.owner = owner
        self.transport = transport
        self.broken = False
        """It said something wrong, or left something out: it may have gone silent for its client's good."""
        self.is_cancel = False
        self.session: Session | None = None
        self.pid = 0
        self._first = bytearray()
        self._messages = MessageReader(1 << 26)
        self._held: list[bytes] = []
        transport.listener = self.data_received

    def say(self, data: bytes) -> None:
        if self.owner.held:
            self._held.append(data)
            return
        pieces = [data] if self.owner.mutation is None else self.owner.mutation(data)
        self.broken |= b"".join(pieces) != data
        for piece in pieces:
            self.transport.loop.call_soon(self._say, piece)

    def _say(self, piece: bytes) -> None:
        if not self.transport.lost:
            self.transport.say(piece)

    def blurt(self, data: bytes) -> None:
        """Says what nobody asked for."""
        self.broken = True
        self._say(data)

    def release(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self.say(data)

    def data_received(self, data: bytes | None) -> None:
        if data is None:
            if not self.owner.ignores_eof:
                self.transport.hang_up()
        elif self.session is not None:
            self._talk(data)
        elif not self.is_cancel:
            self._first += data
            self._start()

    def _start(self) -> None:
        if len(self._first) < 8:
            return
        size, code = int.from_bytes(self._first[:4], "big"), int.from_bytes(self._first[4:8], "big")
        if len(self._first) < size:
            return
        packet, rest = bytes(self._first[8:size]), bytes(self._first[size:])
        if code == wire.CANCEL_REQUEST:
            self.is_cancel = True
            self.owner.cancel(self, int.from_bytes(packet[:4], "big"), packet[4:])
            return
        self.owner.logins += 1
        self.pid = self.owner.logins
        fields = packet.split(b"\0")
        startup = dict(zip(fields[::2], fields[1::2], strict=False))
        self.session = Session(self._gather, startup)
        told = b"".join(say.parameter_status(name, value) for name, value in self.session.told.items())
        self.said = bytearray()
        key = say.backend_key_data(self.pid, b"key%d" % (self.pid % 10))
        self.say(say.authentication_ok() + told + key + say.ready_for_query(wire.IDLE))
        if rest:
            self._talk(rest)

    def _gather(self, data: bytes) -> None:
        self.said += data

    def _talk(self, data: bytes) -> None:
        session = self.session
        assert session is not None
        self._messages.feed(data)
        while True:
            try:
                found = self._messages.next()
            except ProtocolError:
                self.transport.hang_up()
                return
            if found is None:
                break
            kind, payload = found
            self.owner.messages.append(found)
            if kind == wire.TERMINATE:
                self.transport.hang_up()
                return
            asleep = session.sleeping
            try:
                session.receive(kind, payload)
            except ProtocolError:
                self.say(error_response(b"FATAL", b"08P01", b"a message that makes no sense"))
                self.transport.loop.call_soon(self.transport.hang_up)
                return
            if session.sleeping and not asleep:
                self.transport.loop.call_later(1.0, self.wake)
            self._flush()

    def _flush(self) -> None:
        said, self.said = bytes(self.said), bytearray()
        if said:
            self.say(said)

    def wake(self, *, cancelled: bool = False) -> None:
        """Whoever sleeps goes on."""
        if self.session is not None and not self.transport.lost:
            self.session.wake(cancelled=cancelled)
            self._flush()


class FakeServers:
    """Every connection that was dialled."""

    def __init__(self) -> None:
        self.held = False
        self.ignores_eof = False
        self.mutation: Mutation | None = None
        self.opened: list[FakePostgres] = []
        self.messages: list[tuple[int, Any]] = []
        self.logins = 0
        self.cancels = 0
        self.holds_cancels = False
        """A CancelRequest is read, and neither followed nor answered, until `release_cancels`."""
        self._held_cancels: list[tuple[FakePostgres, int, bytes]] = []

    @property
    def open(self) -> list[FakePostgres]:
        """Those that count as connections: not a CancelRequest's."""
        return [server for server in self.opened if not server.transport.lost and not server.is_cancel]

    def cancel(self, asker: FakePostgres, pid: int, key: bytes) -> None:
        """A CancelRequest came."""
        if self.holds_cancels:
            self._held_cancels.append((asker, pid, key))
            return
        self.cancels += 1
        for server in self.open:
            if server.pid == pid and key == b"key%d" % (pid % 10):
                server.wake(cancelled=True)
        asker.transport.hang_up()

    def release_cancels(self) -> None:
        """Follows the CancelRequests that came meanwhile, late as they are."""
        self.holds_cancels = False
        held, self._held_cancels = self._held_cancels, []
        for asker, pid, key in held:
            self.cancel(asker, pid, key)

    def release_all(self) -> None:
        """Nothing is held any more."""
        self.release_cancels()
        self.release()

    def release(self) -> None:
        """Answers what was asked meanwhile, and everything from here on."""
        self.held = False
        for server in self.open:
            server.release()
