"""One MySQL client's session: what it has done to its session, and so what each of its commands needs.

The machine is pure. The proxy gives it the client's commands (`command`), asks what must go to a server connection
before (`steps_before`, `bind`) and after (`finish`), tells it the answers (`step_done`), and does what the returned
actions say. Each rule of docs/mysql.md's hazard table stands where its command is treated: texts in `queries`, prepared
statements in `executes`, what replies tell in `outcome`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from outlive.session.limits import DEFAULT_LIMITS, SessionLimits
from outlive.session.mysql import analysis as lexed
from outlive.session.mysql import executes, insert_id, local_answers, outcome, queries, set_effects, steps, virtual
from outlive.session.mysql.actions import ANSWER, CHANGE_USER, FORWARD, KILL, QUIT, RELAY, RESET
from outlive.session.mysql.analysis import PLAIN, PLAIN_READ, PLAIN_WRITE, Analysis, Kill
from outlive.session.mysql.holds import Holds
from outlive.session.mysql.lexer import DEFAULT_ANALYSER, Analyser, Lexer
from outlive.session.mysql.server_state import (
    RESIDUE_CHARACTERISTICS,
    RESIDUE_DIAGNOSTICS,
    RESIDUE_UNKNOWN_ID,
    RESIDUE_UNREPORTED,
    ServerState,
)
from outlive.session.mysql.settings import EMPTY, MULTI_STATEMENTS, SCHEMA, Settings, difference, updated
from outlive.session.mysql.steps import Step
from outlive.session.mysql.variables import VIRTUAL
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.reply import (
    REPLY_FIELD_LIST,
    REPLY_OK,
    REPLY_PREPARE,
    REPLY_QUERY,
    REPLY_STATISTICS,
    ReplyReader,
)
from outlive.wire.mysql.session_track import TrackPolicy
from outlive.wire.mysql.statements import query_position

if TYPE_CHECKING:
    from outlive.session.mysql.prepared import ClientStatement, Statement
    from outlive.session.mysql.server_facts import ServerFacts
    from outlive.session.mysql.server_state import ServerStatement
    from outlive.wire.mysql.statements import Execute

_LOCAL_STATUS: Final = (
    wire.SERVER_STATUS_IN_TRANS
    | wire.SERVER_STATUS_AUTOCOMMIT
    | wire.SERVER_STATUS_NO_BACKSLASH_ESCAPES
    | wire.SERVER_STATUS_IN_TRANS_READONLY
    | wire.MARIADB_SERVER_STATUS_ANSI_QUOTES
)
_LASTING_STATUS: Final = ~(
    wire.SERVER_QUERY_NO_GOOD_INDEX_USED | wire.SERVER_QUERY_NO_INDEX_USED | wire.SERVER_QUERY_WAS_SLOW
)
"""Status bits that say how a statement ran say nothing of the session."""
RENEW_NOT: Final = 0
RENEW_BY_RESET: Final = 1
RENEW_BY_CHANGE_OF_USER: Final = 2
_USE: Final = Analysis(False, True, b"USE", needs=lexed.NO_WARNINGS)
"""COM_INIT_DB: it runs no stored code, so that the tracker's word explains all of its change of state."""
_CURSOR: Final = wire.SERVER_STATUS_CURSOR_EXISTS | wire.SERVER_STATUS_LAST_ROW_SENT
# Names of this module's own: an attribute of another module costs twice as much on the hot path.
_COM_QUERY: Final = wire.COM_QUERY
_QUERY_ATTRIBUTES: Final = wire.CLIENT_QUERY_ATTRIBUTES
_AUTOCOMMIT: Final = wire.SERVER_STATUS_AUTOCOMMIT
_NO_STEPS: Final[Sequence[Step]] = ()
_MULTIBYTE_CHARSETS: Final = frozenset((b"big5", b"cp932", b"gb18030", b"gbk", b"sjis"))
_LOCKING_READ: Final = re.compile(rb"(?i)\b(?:UPDATE|SHARE)\b")
_COMMIT: Final = PLAIN[b"COMMIT"]
_ROLLBACK: Final = PLAIN[b"ROLLBACK"]
_NAMES_TABLES: Final = re.compile(rb"(?i)\b(?:FROM|INTO|UPDATE|TABLES?|CALL|DESC(?:RIBE)?|SHOW)\b")
_OPTION_MULTI_STATEMENTS_ON: Final = 0
_OPTION_MULTI_STATEMENTS_OFF: Final = 1


class ClientSession:
    """The session of one client.

    After `command`: `analysis`, `reply_kind`, `statement` (of COM_STMT_*), `packet` (the rewritten command or None),
    `answer`, `kill`. `captured_warnings` is None while they still live on the last connection; `last_insert_id` alike.
    """

    __slots__ = (
        "affected_rows",
        "analyser",
        "analysis",
        "answer",
        "capabilities",
        "captured_warnings",
        "characteristics",
        "connection_id",
        "execution",
        "facts",
        "found_rows",
        "holds",
        "kill",
        "last_insert_id",
        "last_prepared",
        "lexed",
        "limits",
        "mode",
        "next_statement_id",
        "only_reads",
        "packet",
        "policy",
        "raised",
        "reply_kind",
        "role",
        "set_name",
        "set_reported",
        "settings",
        "state_change",
        "statement",
        "statements",
        "statements_bytes",
        "status",
        "tableless",
        "transaction_state",
        "used",
        "user",
        "virtual",
        "warning_count",
        "warnings_on",
        "when_captured",
    )

    def __init__(
        self,
        facts: ServerFacts,
        *,
        user: str,
        capabilities: int,
        collation_id: int,
        schema: bytes,
        connection_id: int,
        analyser: Analyser = DEFAULT_ANALYSER,
        limits: SessionLimits = DEFAULT_LIMITS,
    ) -> None:
        self.facts = facts
        self.analyser = analyser
        self.limits = limits
        self.lexed: Analysis | None = None
        """Of the command to come, where its long text was read before."""
        self.user = user
        self.capabilities = capabilities
        self.connection_id = connection_id
        self.next_statement_id = 1
        self.role: bytes | None = None
        option = (MULTI_STATEMENTS, b"1" if capabilities & wire.CLIENT_MULTI_STATEMENTS else b"0")
        changes = [
            *facts.defaults.values.items(),
            *facts.login_settings(collation_id).items(),
            (SCHEMA, schema),
            option,
        ]
        if capabilities & wire.CLIENT_IGNORE_SPACE:
            # At a login the capability is no more than this; a reset takes it away (both servers).
            sql_mode = facts.defaults.values.get(b"sql_mode", facts.baseline.get(b"sql_mode", b""))
            changes.append((b"sql_mode", b",".join(filter(None, (sql_mode, b"IGNORE_SPACE")))))
        self._start(updated(EMPTY, changes, facts.baseline))

    def _start(self, settings: Settings) -> None:
        self.settings = settings
        autocommit = settings.values.get(b"autocommit", self.facts.baseline.get(b"autocommit", b"ON"))
        self.status = wire.SERVER_STATUS_AUTOCOMMIT if autocommit == b"ON" else 0
        self.analysis: Analysis = PLAIN_READ
        self.statements: dict[bytes, ClientStatement] = {}
        self.statements_bytes = 0
        self.used: ServerStatement | None = None
        """Which one the last COM_STMT_* went to."""
        self.execution: Execute | None = None
        self.last_prepared: ClientStatement | None = None
        self.holds = Holds()
        self.virtual: dict[bytes, bytes] = {}
        self.policy: TrackPolicy = virtual.policy(self)
        self.statement: ClientStatement | None = None
        self.packet: bytes | None = None
        self.answer = b""
        self.kill: Kill | None = None
        self.reply_kind = REPLY_OK
        self.characteristics = b""
        self.transaction_state = b""
        self.only_reads = False
        self.set_name: set_effects.Name | None = None
        self.set_reported: tuple[list[tuple[bytes, bytes]], bytes] | None = None
        self.state_change = 0
        self.tableless = False
        self.last_insert_id: int | insert_id.Unread = 0
        self.warnings_on: ServerState | None = None
        self.when_captured: Callable[[], None] | None = None
        self.affected_rows = 0
        self.found_rows = 0
        self.warning_count = 0
        self.raised = 0
        """Errors and warnings of the last statement, one that shows those of an earlier one included."""
        self.captured_warnings: list[tuple[bytes | None, ...]] | None = []
        self.refresh_mode()

    def reset(self) -> None:
        """COM_RESET_CONNECTION: back to the server's defaults. Schema and role stay (both servers, measured)."""
        kept = self.settings.values
        changes = [*self.facts.defaults.values.items(), *((name, kept[name]) for name in (SCHEMA, MULTI_STATEMENTS))]
        found_rows = self.found_rows
        self._start(updated(EMPTY, changes, self.facts.baseline))
        self.found_rows = found_rows  # which a reset leaves as it was (both servers, measured)

    def ran_without_tables(self) -> None:
        """A statement without a table and without a warning was answered here.

        MariaDB keeps an earlier one's warnings over it.
        """
        self.raised = 0
        if not self.facts.mariadb:
            self.captured_warnings = []

    def names_no_table(self, text: bytes) -> bool:
        """Whether it certainly has none: MariaDB keeps warnings over such a statement."""
        return not _NAMES_TABLES.search(text)

    def refresh_mode(self) -> None:
        """How texts are to be read follows sql_mode and the client's charset."""
        values, baseline = self.settings.values, self.facts.baseline
        sql_mode = values.get(b"sql_mode", baseline.get(b"sql_mode", b""))
        charset = values.get(b"character_set_client", baseline.get(b"character_set_client", b""))
        self.mode = (
            (lexed.NO_BACKSLASH_ESCAPES if b"NO_BACKSLASH_ESCAPES" in sql_mode else 0)
            | (lexed.ANSI_QUOTES if b"ANSI_QUOTES" in sql_mode else 0)
            | (lexed.MULTIBYTE_ESCAPES if charset in _MULTIBYTE_CHARSETS else 0)
        )

    def set_virtual(self, name: bytes, literal: bytes) -> None:
        """Records a virtual variable's value; DEFAULT takes the record away."""
        if literal.upper() == b"DEFAULT":
            self.virtual.pop(name, None)
        else:
            self.virtual[name] = virtual.plain_value(literal)
        self.policy = virtual.policy(self)

    def local_status(self) -> int:
        """The status word of an answer of Outlive's own."""
        return self.status & _LOCAL_STATUS

    def function(self, mysql: str, mariadb: str) -> str:
        """The name by which the server's own message calls its function."""
        return mariadb if self.facts.mariadb else mysql

    @property
    def in_transaction(self) -> bool:
        """As the server's last status said."""
        return bool(self.status & wire.SERVER_STATUS_IN_TRANS)

    @property
    def asked_for_read_only(self) -> bool:
        """Whether the client itself made its transactions read-only."""
        values = self.settings.values
        own = values.get(b"transaction_read_only", values.get(b"tx_read_only"))
        return (
            own == b"ON"
            or b"READ ONLY" in self.characteristics
            or bool(self.status & wire.SERVER_STATUS_IN_TRANS_READONLY)
        )

    @property
    def holds_connection(self) -> bool:
        """Whether the session needs the very connection it has: a transaction, locked tables, or a pin."""
        return bool(self.status & wire.SERVER_STATUS_IN_TRANS or self.holds or self.transaction_state.endswith(b"L"))

    def reasons(self) -> list[str]:
        """Why the session is pinned beyond a transaction, for logs and metrics."""
        reasons = self.holds.reasons()
        if self.transaction_state.endswith(b"L") and "lock_tables" not in reasons:
            reasons.append("lock_tables")
        return reasons

    # -- a command ---------------------------------------------------------------------------------

    def analyse(self, text: bytes) -> Analysis:
        """What the text says, under this session's sql_mode and charset."""
        return self.lexed or self.analyser.analyse(text, self.mode)

    def has_text(self, packet: bytes) -> bool:
        """Whether the command has a statement's text,
        which `command` reads (or finds read in `lexed`, for long ones)."""
        return packet[4] in (wire.COM_QUERY, wire.COM_STMT_PREPARE)

    def text_position(self, packet: bytes) -> int:
        """Where the text of a command that `has_text` begins. Raises ProtocolError."""
        return self.text_start(packet) if packet[4] == wire.COM_QUERY else 5

    def must_not_run(self, analysis: Analysis) -> bool:
        """Whether a text that is too long to be rewritten must not run as it is: KILL takes the ids that clients were
        given, and the server's own wait_timeout is the dead man's switch."""
        return analysis.kill is not None or any(
            item.scope == "session" and item.name in VIRTUAL for item in analysis.assignments
        )

    def lexer(self) -> Lexer:
        """For a text that is read in pieces, under this session's sql_mode and charset."""
        return self.analyser.lexer(self.mode)

    def text_start(self, packet: bytes) -> int:
        """Where the text of a COM_QUERY packet begins, behind query attributes where the client sends them."""
        return 4 + query_position(packet[4:]) if self.capabilities & wire.CLIENT_QUERY_ATTRIBUTES else 5

    def command(self, packet: bytes) -> int:
        """One whole command packet, header included; returns what to do. Raises ProtocolError."""
        self.packet = None
        self.statement = None
        self.set_name = None
        code = packet[4]
        if code == _COM_QUERY:
            start = 5 if not self.capabilities & _QUERY_ATTRIBUTES else self.text_start(packet)
            analysis = self.analysis = self.lexed or self.analyser.analyse(packet[start:], self.mode)
            self.reply_kind = REPLY_QUERY
            if not self.status & _AUTOCOMMIT:
                self._note_read(packet)
            if self.captured_warnings or self.captured_warnings is None:
                self.tableless = self.names_no_table(packet)
            if analysis.plain:
                if self.characteristics:
                    return FORWARD
                if (analysis is _COMMIT or analysis is _ROLLBACK) and not self.holds_connection:
                    return self._end_nothing()
                return RELAY
            return queries.special(self, packet, start, analysis)
        self.only_reads = False
        handler = _HANDLERS.get(code)
        return _unknown_command(self, packet) if handler is None else handler(self, packet)

    def _end_nothing(self) -> int:
        """COMMIT or ROLLBACK outside a transaction, as pools and drivers send it to be sure:
        nothing is there to end."""
        self.answer = local_answers.ok(self)
        self.ran_without_tables()
        return ANSWER

    def _note_read(self, packet: bytes) -> None:
        """Whether an implicit transaction (autocommit=0) is still one of plain SELECTs:
        no locks, no writes, no pins."""
        analysis = self.analysis
        reads = analysis.plain and analysis.read and analysis.verb == b"SELECT" and not _LOCKING_READ.search(packet)
        self.only_reads = reads and (self.only_reads or not self.in_transaction)

    # -- before it goes to a server ----------------------------------------------------------------

    def steps_before(self, state: ServerState) -> Sequence[Step]:
        """What must go to a leased connection before the command; empty in the common case."""
        needs = self.analysis.needs
        statement = self.statement
        if (
            state.settings is self.settings
            and not state.residue
            and not needs
            and statement is None
            and not self.characteristics
        ):
            return _NO_STEPS
        found: list[Step] = []
        characteristics = state.characteristics
        if state.owner is not self and state.residue:
            found += outcome.residue_steps(state)
            characteristics = b""  # another's, which were just taken away, also where they are the same
        if state.settings is not self.settings:
            found += self._settings_steps(state)
        if self.characteristics != characteristics and not self.in_transaction:
            found += [steps.query_step(text) for text in self.characteristics.split(b";") if text.strip()]
        number = None
        if self.reads_insert_id and state.last_insert_id != self.last_insert_id:
            number = insert_id.value_of(self.last_insert_id)
        if number is None and state.residue & RESIDUE_UNKNOWN_ID and outcome.may_generate_id(self.analysis):
            number = 0
        if number is not None:
            found.append(steps.insert_id_step(number))
        if needs & lexed.NO_WARNINGS and not self.facts.mariadb and not self.warnings_live_on(state):
            found.append(steps.query_step(b"DO 0"))
        if self.shows_virtual:
            found.append(steps.query_step(virtual.set_sql(self)))
        if statement is not None and self.reply_kind != REPLY_PREPARE:
            if needs & queries.NEEDS_COUNTS:
                found.append(steps.query_step(queries.counts_sql(self)))
            if state.found(statement) is None:
                found += self._prepare_steps(statement.statement)
        return found

    def _prepare_steps(self, statement: Statement) -> list[Step]:
        """Prepares it under the settings that it was prepared under first, then goes back to the session's."""
        there = statement.settings_to_prepare(self.settings, self.facts.baseline)
        if there is self.settings:
            return [steps.prepare_step(statement)]
        return [
            *self._difference_steps(self.settings, there),
            steps.prepare_step(statement),
            *self._difference_steps(there, self.settings),
        ]

    @property
    def shows_virtual(self) -> bool:
        """Whether the statement reads virtual variables where no literal can take their place (SHOW VARIABLES)."""
        analysis = self.analysis
        return bool(analysis.needs & lexed.VIRTUAL) and (
            self.statement is not None or not (analysis.substitutions or analysis.trivial)
        )

    def _settings_steps(self, state: ServerState) -> list[Step]:
        return self._difference_steps(state.settings, self.settings)

    def _difference_steps(self, source: Settings, target: Settings) -> list[Step]:
        way = difference(source, target, self.facts.baseline)
        found: list[Step] = []
        if way.schema is not None:
            found.append(steps.schema_step(way.schema))
        if way.multi_statements is not None:
            found.append(steps.option_step(way.multi_statements))
        found += [steps.query_step(sql) for sql in way.statements]
        return found

    def renewal(self, state: ServerState) -> int:
        """What this connection needs before `steps_before` can take it to the session's settings: usually nothing."""
        if state.residue & RESIDUE_UNREPORTED and state.owner is not self:
            return RENEW_BY_CHANGE_OF_USER
        if state.settings is self.settings:
            return RENEW_NOT
        way = difference(state.settings, self.settings, self.facts.baseline)
        if way.unreachable:
            return RENEW_BY_CHANGE_OF_USER
        return RENEW_BY_RESET if way.forgets else RENEW_NOT

    def replayed(self, state: ServerState) -> None:
        """All of `steps_before` succeeded: the connection is now in this session's state."""
        state.settings = self.settings
        state.owner = self
        if not self.in_transaction:
            state.characteristics = self.characteristics
            if self.characteristics:  # until a transaction begins: the command may fail before
                state.residue |= RESIDUE_CHARACTERISTICS

    def bind(self, packet: bytes, state: ServerState) -> bytes:
        """The command's bytes for this server connection."""
        if self.statement is None or self.reply_kind == REPLY_PREPARE:
            return packet
        return executes.bind(self, packet, state)

    # -- after its reply ---------------------------------------------------------------------------

    def finish(self, reader: ReplyReader, state: ServerState) -> Sequence[Step]:
        """Takes over what a complete reply tells. Returns what must be asked before the connection may be released."""
        status = reader.status & _LASTING_STATUS
        handle = self.statement
        if (
            status == self.status
            and self.analysis.plain
            and (handle is None or not (handle.cursor_open or handle.long_data or status & _CURSOR))
            and not (reader.error or reader.changes or reader.warnings or reader.insert_id or reader.rows < 0)
        ):
            # The common case: a plain SELECT that changed nothing of the session.
            self.affected_rows = -1
            self.found_rows = reader.rows
            self.raised = 0
            if self.captured_warnings != []:
                if self.facts.mariadb and (self.warnings_live_on(state) or self.tableless):
                    return _NO_STEPS  # kept, if the SELECT used no table: where they live the connection knows
                self.captured_warnings = []
            if state.residue & RESIDUE_DIAGNOSTICS:
                state.residue &= ~RESIDUE_DIAGNOSTICS
            return _NO_STEPS
        return outcome.finish(self, reader, state)

    def streamed(self, state: ServerState) -> None:
        """A command without an answer was sent: after COM_STMT_CLOSE the statement is gone at the server."""
        handle = self.statement
        if handle is not None and handle.id_bytes not in self.statements:
            executes.forget(self, handle, state)

    def warnings_live_on(self, state: ServerState) -> bool:
        """Whether this very connection has the session's diagnostics."""
        return self.captured_warnings is None and self.warnings_on is state

    def lacks(self, state: ServerState) -> bool:
        """Whether the command asks for what is being captured from another connection, for that one's next client."""
        if self.analysis.needs & lexed.WARNINGS and self.captured_warnings is None and self.warnings_on is not state:
            return True
        return self.reads_insert_id and insert_id.is_elsewhere(self, state)

    @property
    def reads_insert_id(self) -> bool:
        """Whether the statement may read LAST_INSERT_ID(), or change it in a way that no reply tells."""
        analysis = self.analysis
        return bool(
            analysis.needs & lexed.LAST_INSERT_ID
            or analysis.after & lexed.ASK_LAST_INSERT_ID
            or analysis.statements > 1
            or analysis.call
        )

    def questions_first(self, state: ServerState) -> Sequence[Step]:
        """What the session's own connection must be asked before its next statement; then comes `steps_before`."""
        asks = state.residue and insert_id.must_ask(self, state, reads=self.reads_insert_id)
        return outcome.residue_steps(state) if asks else _NO_STEPS

    def connection_lost(self, state: ServerState) -> None:
        """The connection, with what only it knew (warnings, LAST_INSERT_ID()), is gone."""
        if self.captured_warnings is None and self.warnings_on is state:
            self.captured_warnings = []
        insert_id.lost(self, state)
        self.captured()

    def captured(self) -> None:
        """Something that was on its way here has come, or is known not to come."""
        if self.captured_warnings is not None:
            self.warnings_on = None
        waiting, self.when_captured = self.when_captured, None
        if waiting is not None:
            waiting()


# -- commands other than COM_QUERY ----------------------------------------------------------------


def _quit(session: ClientSession, packet: bytes) -> int:
    return QUIT


def _forward(kind: int, analysis: Analysis) -> Callable[[ClientSession, bytes], int]:
    def forward(session: ClientSession, packet: bytes) -> int:
        session.analysis, session.reply_kind = analysis, kind
        return FORWARD

    return forward


def _ping(session: ClientSession, packet: bytes) -> int:
    # MySQL's answer counts what the statement before has raised; MariaDB's does not (measured).
    session.answer = local_answers.ok(session, warnings=0 if session.facts.mariadb else session.raised)
    return ANSWER


def _set_option(session: ClientSession, packet: bytes) -> int:
    option = int.from_bytes(packet[5:7], "little")
    if len(packet) < 7 or option not in (_OPTION_MULTI_STATEMENTS_ON, _OPTION_MULTI_STATEMENTS_OFF):
        return _unknown_command(session, packet)
    value = b"1" if option == _OPTION_MULTI_STATEMENTS_ON else b"0"
    session.settings = updated(session.settings, ((MULTI_STATEMENTS, value),), session.facts.baseline)
    session.answer = local_answers.eof(session)
    return ANSWER


def _reset_connection(session: ClientSession, packet: bytes) -> int:
    session.reset()
    session.answer = local_answers.ok(session)
    return RESET


def _change_user(session: ClientSession, packet: bytes) -> int:
    return CHANGE_USER


def _process_kill(session: ClientSession, packet: bytes) -> int:
    session.kill = Kill("connection", int.from_bytes(packet[5:9], "little"))
    return KILL


def _refused(session: ClientSession, packet: bytes) -> int:
    return queries.refuse(session, f"{_REFUSED[packet[4]]}; connect to the database itself for this")


def _unknown_command(session: ClientSession, packet: bytes) -> int:
    session.answer = local_answers.error(wire.ER_UNKNOWN_COM_ERROR, b"08S01", "Unknown command")
    return ANSWER


_REFUSED: Final = {
    wire.COM_BINLOG_DUMP: "COM_BINLOG_DUMP",
    wire.COM_BINLOG_DUMP_GTID: "COM_BINLOG_DUMP_GTID",
    wire.COM_TABLE_DUMP: "COM_TABLE_DUMP",
    wire.COM_CONNECT_OUT: "COM_CONNECT_OUT",
    wire.COM_REGISTER_SLAVE: "COM_REGISTER_SLAVE",
    wire.COM_DAEMON: "COM_DAEMON",
    wire.COM_CLONE: "COM_CLONE",
    wire.COM_SUBSCRIBE_GROUP_REPLICATION_STREAM: "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM",
    wire.COM_SHUTDOWN: "COM_SHUTDOWN",
}

_HANDLERS: Final[dict[int, Callable[[ClientSession, bytes], int]]] = {
    wire.COM_QUIT: _quit,
    wire.COM_INIT_DB: _forward(REPLY_OK, _USE),
    wire.COM_FIELD_LIST: _forward(REPLY_FIELD_LIST, PLAIN_READ),
    wire.COM_STATISTICS: _forward(REPLY_STATISTICS, PLAIN_READ),
    wire.COM_PROCESS_INFO: _forward(REPLY_QUERY, PLAIN_READ),
    wire.COM_REFRESH: _forward(REPLY_OK, PLAIN_WRITE),
    wire.COM_DEBUG: _forward(REPLY_OK, PLAIN_READ),
    wire.COM_PING: _ping,
    wire.COM_SET_OPTION: _set_option,
    wire.COM_RESET_CONNECTION: _reset_connection,
    wire.COM_CHANGE_USER: _change_user,
    wire.COM_PROCESS_KILL: _process_kill,
    wire.COM_STMT_PREPARE: executes.prepare,
    wire.COM_STMT_EXECUTE: executes.execute,
    wire.COM_STMT_FETCH: executes.fetch,
    wire.COM_STMT_RESET: executes.reset,
    wire.COM_STMT_CLOSE: executes.close,
    wire.COM_STMT_SEND_LONG_DATA: executes.send_long_data,
} | dict.fromkeys(_REFUSED, _refused)
