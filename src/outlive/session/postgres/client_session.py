"""What one client has done to its session, as far as a server connection must be in that state for its next statement.

Pure: bytes and what is known of a connection (`ServerState`) go in, what to send comes out. The rules, and why each
is needed, are the hazard table of docs/postgres.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.limits import DEFAULT_LIMITS, SessionLimits
from outlive.session.postgres import outcome, virtual
from outlive.session.postgres.analysis import (
    BACKSLASH_ESCAPES,
    DISCARD_ALL,
    PLAIN_READ,
    REASONS,
    RESET_ALL,
    SEQUENCE_ASKED,
    TEMPORARY_TABLE,
    UNSAFE_ENCODING,
    Analysis,
)
from outlive.session.postgres.encodings import BLANKED
from outlive.session.postgres.lexer import DEFAULT_ANALYSER, Analyser
from outlive.session.postgres.prepared import Statement, forget, forget_all, in_clients_words
from outlive.session.postgres.replay import Settings, difference
from outlive.session.postgres.steps import REPLAY, Step, mend_step, query_step
from outlive.session.postgres.unit import Unit
from outlive.wire.postgres.constants import FAILED_TRANSACTION, FEATURE_NOT_SUPPORTED, IDLE, INVALID_SQL_STATEMENT_NAME
from outlive.wire.postgres.messages import SYNC, parameter_status, parse, query
from outlive.wire.postgres.reply import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from outlive.session.postgres.reported import Reported
    from outlive.session.postgres.server_state import ServerState
    from outlive.wire.postgres.errors import ErrorFields
    from outlive.wire.postgres.reply import ReplyReader

SESSION_MODE: Final = "session"
"""The reason to hold where the pool lends connections for whole sessions."""
_NO_STEPS: Final[tuple[Step, ...]] = ()
_PLAN_CHANGED: Final = b"RRevalidateCachedQuery\0"
"""The error's routine, which is not translated: "cached plan must not change result type"."""
_DISCARD_SEQUENCES: Final = b"DISCARD SEQUENCES"
_ALTERS: Final = (b"ALTER ", b"DROP ", b"CREATE VIEW", b"CREATE MATERIALIZED VIEW")
_DROP_TABLE: Final = b"DROP TABLE"


class ClientSession:
    """The session of a logged-in client.

    `startup` are its defaults, to which RESET returns; `settings` what is in force now, both relative to a fresh server
    connection. `reported` is what the client was told of its settings. `names` are its prepared statements.
    """

    __slots__ = (
        "_mode_of",
        "_welcome",
        "alters",
        "analyser",
        "answer",
        "asks",
        "asks_sequences",
        "blanked",
        "connection_id",
        "database",
        "held",
        "keeps",
        "limits",
        "mixed",
        "mode",
        "names",
        "names_bytes",
        "portals",
        "reported",
        "rereads",
        "savepoints",
        "settings",
        "speaks_utf8",
        "startup",
        "status",
        "tentative",
        "unit",
        "unnamed",
        "unsure",
        "user",
    )

    def __init__(
        self,
        *,
        user: str,
        database: str,
        startup: Settings,
        reported: Reported,
        connection_id: int = 0,
        analyser: Analyser = DEFAULT_ANALYSER,
        limits: SessionLimits = DEFAULT_LIMITS,
        keeps: bool = False,
    ) -> None:
        self.user = user
        self.database = database
        self.startup = startup
        self.settings = startup
        self.reported = self._welcome = reported
        self.connection_id = connection_id
        self.analyser = analyser
        self.limits = limits
        self.keeps = keeps
        """The connection is lent for the whole session (`pool_mode = "session"`)."""
        self.status = IDLE
        self.unit = Unit()
        self.answer = b""
        """What goes to the client at once: an answer without a server, or a part of one."""
        self.names: dict[bytes, Statement] = {}
        self.names_bytes = 0
        self.unnamed: Statement | None = None
        self.portals: dict[bytes, Statement] = {}
        """What the open portals run, where that is not plain."""
        self.held = 0
        """Bits of `analysis.REASONS`: why the connection is this session's."""
        self.asks = 0
        """Which of them may be over: the server is asked when no transaction is open."""
        self.asks_sequences = False
        """It has asked for currval() or lastval() once, and so must not meet those of others."""
        self.tentative: list[tuple[bytes, bytes | None]] = []
        """SETs of the open transaction, which are in force from its COMMIT on."""
        self.savepoints = False
        """The open transaction has some: what a ROLLBACK TO took back only the server knows."""
        self.mixed = False
        """A Query has ended a unit of the extended protocol: see `steps.mend_step`."""
        self.alters = False
        """The open transaction has changed tables or views."""
        self.unsure = False
        """The settings must be read from the server before anything is replayed."""
        self.rereads: set[bytes] = set()
        """Custom settings among them, which pg_settings does not list (measured on 15)."""
        self._mode_of: Reported | None = None
        self.blanked: Callable[[bytes], bytes] | None = None
        self.mode = 0
        self.speaks_utf8 = True
        self._find_mode()

    def __repr__(self) -> str:
        return f"ClientSession({self.user}, {self.reasons()}, {self.settings!r})"

    # -- what holds the connection -----------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether the server said so with its last ReadyForQuery."""
        return self.status != IDLE

    @property
    def holds(self) -> bool:
        """Whether something beyond a transaction ties the session to its connection."""
        return self.held != 0 or self.keeps

    @property
    def holds_connection(self) -> bool:
        """Whether the connection cannot be given back now."""
        return self.status != IDLE or self.held != 0 or self.keeps

    def reasons(self) -> list[str]:
        """Why, for logs and metrics."""
        found = [name for bit, name in REASONS.items() if self.held & bit]
        return [*found, SESSION_MODE] if self.keeps else found

    # -- what the client is told of its settings ---------------------------------------------------

    def told(self, name: bytes, value: bytes, state: ServerState, *, is_default: bool = False) -> bool | bytes:
        """A ParameterStatus came with a reply; whether the client needs it, or what it needs in its place.

        `is_default`: of a server connection without settings.
        """
        state.reported = state.reported.with_(name, value)
        own = value
        if is_default and name.lower() in self.startup.values and self._resets(name.lower()):
            own = self._welcome.values.get(name, value)  # the client's default is what its startup packet said
        reported = self.reported.with_(name, own)
        if reported is self.reported:
            return False
        self.reported = reported
        self._find_mode()
        return own is value or parameter_status(name, own)

    def _resets(self, name: bytes) -> bool:
        """Whether the unit under way has set this back to its default."""
        parts = [part for _, analysis in self.unit.executed for part in analysis.parts]
        return any(part.discard in (RESET_ALL, DISCARD_ALL) for part in parts) or any(
            found.name == name and found.value is None for part in parts for found in part.assignments
        )

    def worded(self, payload: bytes) -> bytes:
        """An ErrorResponse as the client gets it."""
        return in_clients_words(payload, self.names, self.unit.called or {})

    def catch_up(self, state: ServerState) -> bytes:
        """ParameterStatus messages of what this connection says otherwise than what the client knows."""
        news = self.reported.difference_to(state.reported)
        self.reported = state.reported
        self._find_mode()
        return news

    def _find_mode(self) -> None:
        """How texts are cut depends on two of the settings that servers report."""
        if self.reported is self._mode_of:
            return
        self._mode_of = self.reported
        values = self.reported.values
        encoding = bytes(byte for byte in values.get(b"client_encoding", b"").lower() if chr(byte).isalnum())
        self.speaks_utf8 = encoding == b"utf8"
        self.blanked = BLANKED.get(encoding)
        self.mode = UNSAFE_ENCODING if self.blanked is not None else 0
        if values.get(b"standard_conforming_strings") == b"off":
            self.mode |= BACKSLASH_ESCAPES

    @property
    def may_load(self) -> bool:
        """Whether the user may LOAD any library: a superuser, or one who may become one."""
        told = (self._welcome.values, self.reported.values)
        return b"role" in self.startup.values or any(values.get(b"is_superuser") != b"off" for values in told)

    def analyse(self, text: bytes) -> Analysis:
        """What a text says that is whole."""
        if self.blanked is None:
            return self.analyser.analyse(text, self.mode)
        return self.analyser.analyse(self.blanked(text), self.mode & ~UNSAFE_ENCODING)

    # -- a Query -----------------------------------------------------------------------------------

    def query(self, message: bytes) -> bytes | None:
        """A whole Query: what goes to the server in its place, or None where `answer` is the whole reply."""
        unit = self.unit
        text = message[5:-1]
        analysis = self.analyser.analyse(text, self.mode) if self.blanked is None else self.analyse(text)
        if analysis is PLAIN_READ:
            if not unit.quiet or unit.status != self.status:
                unit.begin(self.status)
                unit.quiet = True
            return message
        unit.begin(self.status)
        if analysis.plain:
            if analysis.control:
                unit.reads = unit.plain = False
                unit.executed.append((0, analysis))
            elif not analysis.read:
                unit.reads = False
                unit.writes = True
            return message
        unit.note(analysis)
        answered = virtual.answered(self, text, analysis)
        if answered:
            self.answer = answered
            self.unnamed = None  # as any Query does
            return None
        rewritten = virtual.rewritten(self, text, analysis)
        if virtual.names_statements(analysis):
            virtual.note_named(self, analysis, 0, virtual.targets(self, analysis))
        return message if rewritten is text else query(rewritten)

    def sent_query(self, state: ServerState) -> None:
        """A Query goes out: the server drops its unnamed statement, whatever comes of it (exec_simple_query)."""
        self.unnamed = None
        state.unnamed = None

    # -- prepared statements -----------------------------------------------------------------------

    def remember_name(self, name: bytes, statement: Statement) -> bool:
        """A Parse of a name; False beyond the limits."""
        size = self.names_bytes + statement.size_bytes
        if len(self.names) >= self.limits.statements or size > self.limits.statements_bytes:
            return False
        self.names[name] = statement
        self.names_bytes = size
        return True

    def forget_name(self, name: bytes) -> bool:
        """Its Close; whether there was one."""
        statement = self.names.pop(name, None)
        if statement is None:
            return False
        self.names_bytes -= statement.size_bytes
        return True

    def forget_names(self) -> None:
        """DEALLOCATE ALL, DISCARD ALL. The unnamed one stays."""
        self.names.clear()
        self.names_bytes = 0

    # -- before a unit -----------------------------------------------------------------------------

    def steps_before(self, state: ServerState) -> tuple[Step, ...]:
        """What brings a connection into this session's state. In a transaction the settings are."""
        texts: tuple[bytes, ...] = ()
        if state.settings is not self.settings and self.status == IDLE:
            texts = difference(state.settings, self.settings)
        if state.knows_strangers(self):
            if any(analysis.flags & SEQUENCE_ASKED for _, analysis in self.unit.executed):
                self.asks_sequences = True
            if self.asks_sequences and self.status != FAILED_TRANSACTION:
                # currval() would be another client's; so it is the error that it is without an earlier nextval().
                texts = (*texts, _DISCARD_SEQUENCES)
                state.discarded_sequences(self)
        needed = self._needed(state) if self.unit.executed and self.status != FAILED_TRANSACTION else _NO_STEPS
        return (*[query_step(text, REPLAY) for text in texts], *needed) if texts or needed else _NO_STEPS

    def _needed(self, state: ServerState) -> tuple[Step, ...]:
        """Statements of the protocol that a text names: they are prepared before it."""
        found = []
        for _, analysis in self.unit.executed:
            for part in analysis.parts:
                statement = virtual.named(self, part)
                if statement is not None and not state.has(statement):
                    state.add_prepared(statement)
                    found.append(Step(parse(statement.name, statement.sql, statement.types) + SYNC, REPLAY))
        return tuple(found)

    def replayed(self, state: ServerState) -> None:
        """The steps before a unit succeeded."""
        state.settings = self.settings

    # -- after a unit ------------------------------------------------------------------------------

    def finish(self, reader: ReplyReader, state: ServerState, kind: int) -> tuple[Step, ...]:
        """The unit's ReadyForQuery came. What must be asked before the connection may go on to others."""
        unit = self.unit
        self.status = reader.status
        if unit.ended_by_query:
            self.mixed = True
        if unit.writes and reader.error is None:
            state.advanced = True
        if not unit.reads or self.alters:
            self._altered(reader.tags)
        if reader.error is not None:
            unit.fail(0 if kind == SIMPLE else reader.failed_at)
        elif unit.plain and not self.mixed:
            if self.portals and self.status == IDLE:
                self.portals.clear()
            return _NO_STEPS
        steps = outcome.settle(self, reader, state, kind)
        if self.mixed and self.status == IDLE:
            self.mixed = False
            return (mend_step(), *steps)
        return steps

    def _altered(self, tags: list[bytes]) -> None:
        """Statements that were prepared before a table changed are none that a new Parse would make."""
        changed = self.alters
        for tag in tags:
            if tag.startswith(_ALTERS) and not (tag == _DROP_TABLE and self.held & TEMPORARY_TABLE):
                changed = True
        if changed:
            self.alters = self.status != IDLE  # once more at its end: others have parsed the old table meanwhile
            forget_all()

    def failed(self, error: ErrorFields, failed_at: int, state: ServerState) -> None:
        """The server refused a statement. What it says of prepared ones holds for whoever uses them next."""
        statement = self.unit.bound.get(failed_at)
        if statement is None:
            return
        if error.code == INVALID_SQL_STATEMENT_NAME:
            state.remove_prepared(statement)
        elif error.code == FEATURE_NOT_SUPPORTED and _PLAN_CHANGED in error.raw:
            forget(statement)

    def connection_lost(self) -> None:
        """With the connection all is gone that only it knew."""
        self.status = IDLE
        self.held = self.asks = 0
        self.tentative.clear()
        self.portals.clear()
        self.unsure = self.savepoints = self.alters = self.mixed = False
        self.rereads.clear()
