"""The session machine, as a transcript: what a command needs, what a reply changes, what goes before another's use."""

import pytest

from outlive.session.mysql import insert_id
from outlive.session.mysql.actions import ANSWER, FORWARD, RELAY, RESET, SILENT, STREAM
from outlive.session.mysql.client_session import ClientSession
from outlive.session.mysql.outcome import residue_steps, step_done
from outlive.session.mysql.server_facts import Collation, ServerFacts
from outlive.session.mysql.server_state import ServerState
from outlive.session.mysql.settings import SCHEMA
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR, OK, encode_ok
from outlive.wire.mysql.packets import lenenc_bytes, packet
from outlive.wire.mysql.reply import ReplyReader
from outlive.wire.mysql.small_reply import SmallReply

VARIABLES = {
    b"autocommit": b"ON",
    b"sql_mode": b"STRICT_TRANS_TABLES",
    b"character_set_client": b"latin1",
    b"character_set_connection": b"latin1",
    b"character_set_results": b"latin1",
    b"collation_connection": b"latin1_swedish_ci",
    b"wait_timeout": b"28800",
    b"interactive_timeout": b"3600",
    b"session_track_system_variables": b"autocommit,time_zone",
    b"session_track_schema": b"ON",
    b"session_track_state_change": b"OFF",
    b"session_track_transaction_info": b"OFF",
}
CAPABILITIES = (
    wire.CLIENT_PROTOCOL_41 | wire.CLIENT_DEPRECATE_EOF | wire.CLIENT_SESSION_TRACK | wire.CLIENT_SECURE_CONNECTION
)


class Pair:
    """A client session and one server connection, without a wire between them."""

    def __init__(self, facts: ServerFacts, state: ServerState | None = None) -> None:
        self.session = ClientSession(
            facts, user="app", capabilities=CAPABILITIES, collation_id=45, schema=b"shop", connection_id=7
        )
        self.state = state if state is not None else ServerState(3)
        self.reader = ReplyReader(CAPABILITIES)

    def send(self, text: bytes) -> int:
        return self.session.command(packet(0, b"\x03" + text))

    def ready(self) -> list[bytes]:
        """The payloads that go before; their success is taken for granted."""
        found = [step.bytes[4:] for step in self.session.steps_before(self.state)]
        self.session.replayed(self.state)
        return found

    def reply(self, reply: OK | ERR) -> list[bytes]:
        """The server's answer; returns the payloads that are to be asked then."""
        payload = reply.encode() if isinstance(reply, ERR) else encode_ok(reply, CAPABILITIES)
        self.reader.start(self.session.reply_kind)
        self.reader.feed(packet(1, payload))
        return [step.bytes[4:] for step in self.session.finish(self.reader, self.state)]

    def run(self, text: bytes, reply: OK | ERR) -> None:
        self.send(text)
        self.ready()
        self.reply(reply)


@pytest.fixture
def facts() -> ServerFacts:
    return ServerFacts(b"8.4.0", VARIABLES, {45: Collation(b"utf8mb4_general_ci", b"utf8mb4")})


@pytest.fixture
def pair(facts: ServerFacts) -> Pair:
    return Pair(facts)


def variable(name: bytes, value: bytes) -> bytes:
    pair = lenenc_bytes(name) + lenenc_bytes(value)
    return b"\x00" + lenenc_bytes(pair) + b"\x02\x011"


def ok(status: int = 2, changes: bytes = b"", insert_id: int = 0, warnings: int = 0, affected_rows: int = 0) -> OK:
    flags = wire.SERVER_SESSION_STATE_CHANGED if changes else 0
    return OK(affected_rows, insert_id, status | flags, warnings, b"", changes)


def test_a_new_connection_gets_schema_and_charset_and_then_nothing(pair: Pair) -> None:
    assert pair.send(b"SELECT 1") == RELAY
    schema, option, charset = pair.ready()
    assert schema == b"\x02shop"
    assert option == b"\x1b\x01\x00"
    assert charset == b"\x03SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'"
    assert pair.send(b"SELECT 1") == RELAY
    assert pair.ready() == []


def test_a_variable_is_replayed_on_another_connection_and_taken_back_for_another_client(
    pair: Pair, facts: ServerFacts
) -> None:
    pair.run(b"SET sql_mode=''", ok(changes=variable(b"sql_mode", b"")))
    assert not pair.session.holds_connection
    pair.state = ServerState(3)
    pair.send(b"SELECT 1")
    assert any(b"sql_mode=''" in step for step in pair.ready())
    other = Pair(facts, pair.state)
    other.send(b"SELECT 1")
    assert other.ready() == [b"\x03SET sql_mode='STRICT_TRANS_TABLES'"]


def test_a_transaction_holds_until_its_status_says_it_ended(pair: Pair) -> None:
    pair.run(b"BEGIN", ok(status=3))
    assert pair.session.holds_connection
    pair.run(b"INSERT INTO t VALUES (1)", ok(status=3))
    assert pair.session.holds_connection
    pair.run(b"COMMIT", ok())
    assert not pair.session.holds_connection


def test_an_error_in_a_transaction_is_followed_by_a_question(pair: Pair) -> None:
    """A deadlock rolls back, and no ERR says so."""
    pair.run(b"BEGIN", ok(status=3))
    pair.send(b"UPDATE t SET a=1")
    pair.ready()
    (question,) = pair.reply(ERR(1213, b"40001", b"Deadlock"))
    assert question == b"\x0e"
    (step,) = pair.session.finish(pair.reader, pair.state)
    answer = SmallReply()
    assert answer.add(encode_ok(ok(), CAPABILITIES))
    step_done(step, answer, pair.state)
    assert not pair.session.holds_connection


def test_an_error_of_a_plain_statement_asks_nothing(pair: Pair) -> None:
    pair.send(b"SELECT nothing")
    pair.ready()
    assert pair.reply(ERR(1054, b"42S22", b"Unknown column")) == []


def test_insert_ids_are_the_connection_s_until_another_client_comes(pair: Pair, facts: ServerFacts) -> None:
    pair.run(b"INSERT INTO t VALUES (50)", ok(insert_id=50, affected_rows=1))
    assert insert_id.value_of(pair.session.last_insert_id) is None
    steps = residue_steps(pair.state)
    assert [step.bytes[4:] for step in steps] == [b"\x03SELECT LAST_INSERT_ID()"]
    answer = SmallReply(steps[0].kind)
    answer.rows.append((b"9",))
    step_done(steps[0], answer, pair.state)
    assert pair.session.last_insert_id == 9
    assert not pair.state.residue
    pair.state = ServerState(3)
    pair.send(b"SELECT LAST_INSERT_ID()")
    assert pair.ready()[-1] == b"\x03SET last_insert_id=9"


def test_warnings_are_captured_only_when_another_client_comes(pair: Pair, facts: ServerFacts) -> None:
    pair.run(b"INSERT INTO t VALUES ('x')", ok(warnings=1))
    assert pair.send(b"SHOW WARNINGS") == FORWARD  # still on the connection
    other = Pair(facts, pair.state)
    other.send(b"SELECT 1")
    step = other.session.steps_before(pair.state)[0]
    assert step.bytes[4:] == b"\x03SHOW WARNINGS"
    assert step.session is pair.session
    answer = SmallReply(step.kind)
    answer.rows.append((b"Warning", b"1366", b"Incorrect value"))
    step_done(step, answer, pair.state)
    assert pair.send(b"SHOW WARNINGS") == ANSWER
    assert b"Incorrect value" in pair.session.answer


def test_set_transaction_waits_with_its_client_and_leaves_nothing_behind(pair: Pair, facts: ServerFacts) -> None:
    text = b"SET TRANSACTION READ ONLY;"
    pair.run(b"SET TRANSACTION READ ONLY", ok(changes=b"\x04" + lenenc_bytes(lenenc_bytes(text))))
    other = Pair(facts, pair.state)
    other.send(b"SELECT 1")
    assert other.ready()[0] == b"\x03ROLLBACK"
    pair.state = ServerState(3)
    pair.send(b"SELECT 1")
    assert pair.ready()[-1] == b"\x03SET TRANSACTION READ ONLY"


def test_wait_timeout_is_recorded_shown_and_never_sent(pair: Pair) -> None:
    assert pair.send(b"SET SESSION wait_timeout=5") == ANSWER
    assert pair.send(b"SET wait_timeout=6, sql_mode=''") == FORWARD
    assert pair.session.packet is not None
    assert b"wait_timeout" not in pair.session.packet
    pair.ready()
    pair.reply(ok(changes=variable(b"sql_mode", b"")))
    assert pair.send(b"SELECT @@wait_timeout + 1") == FORWARD
    assert pair.session.packet is not None
    assert b"IF(1,CAST(6 AS UNSIGNED),@@wait_timeout) + 1" in pair.session.packet


def test_a_set_of_literals_is_answered_once_its_effect_is_known(pair: Pair, facts: ServerFacts) -> None:
    changes = variable(b"autocommit", b"OFF")
    assert pair.send(b"SET AUTOCOMMIT = 0") == FORWARD
    pair.ready()
    pair.reply(ok(status=0, changes=changes))
    other = Pair(facts)
    assert other.send(b"SET AUTOCOMMIT = 0") == ANSWER
    assert other.session.settings.values[b"autocommit"] == b"OFF"
    assert not other.session.status & wire.SERVER_STATUS_AUTOCOMMIT
    assert b"autocommit\x03OFF" in other.session.answer, "a client that tracks its session is told"
    other.send(b"SELECT 1")
    assert any(b"autocommit='OFF'" in step for step in other.ready())


def test_a_set_is_not_answered_where_its_effect_is_not_its_own(pair: Pair, facts: ServerFacts) -> None:
    for text in (b"SET sql_mode=DEFAULT", b"SET sql_mode=@@global.sql_mode", b"SET GLOBAL sql_mode=''", b"SET @a=1"):
        pair.run(text, ok(changes=variable(b"sql_mode", b"")))
        assert pair.send(text) != ANSWER
    pair.run(b"SET autocommit=0", ok(status=0, changes=variable(b"autocommit", b"OFF")))
    held = Pair(facts)
    held.run(b"BEGIN", ok(status=3))
    assert held.send(b"SET autocommit=0") == FORWARD, "the connection it holds must be told too"
    given_up = Pair(facts)
    assert given_up.send(b"SET sql_mode='ANSI'") == FORWARD
    given_up.run(b"SELECT f()", ok(changes=variable(b"sql_mode", b"")))
    assert Pair(facts).send(b"SET sql_mode='ANSI'") == FORWARD, "it was never answered by a server"


def test_a_commit_of_nothing_needs_no_server(pair: Pair) -> None:
    assert pair.send(b"COMMIT") == ANSWER
    assert pair.send(b"rollback") == ANSWER
    pair.run(b"BEGIN", ok(status=3))
    assert pair.send(b"COMMIT") == RELAY
    assert pair.send(b"ROLLBACK AND CHAIN") != ANSWER


def test_what_trackers_and_lexer_do_not_explain_pins(pair: Pair) -> None:
    pair.run(b"SELECT f()", ok(changes=b"\x02\x011"))
    assert pair.session.reasons() == ["unexplained_state"]
    assert pair.session.holds_connection


def test_a_reset_forgets_everything_but_the_schema(pair: Pair) -> None:
    pair.run(b"SELECT @x := 1", ok())
    assert pair.session.holds_connection
    assert pair.session.command(b"\x01\0\0\0\x1f") == RESET
    assert not pair.session.holds_connection
    assert pair.session.settings.values[SCHEMA] == b"shop"


def prepare(pair: Pair, server_id: int) -> None:
    pair.session.command(packet(0, b"\x16SELECT ?"))
    pair.ready()
    pair.reader.start(pair.session.reply_kind)
    pair.reader.feed(packet(1, b"\x00" + server_id.to_bytes(4, "little") + b"\0\0\x01\0\0\0\0"))
    pair.reader.feed(packet(2, b"\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\xfd\x80\0\0\0\0"))
    assert pair.reader.done
    pair.session.finish(pair.reader, pair.state)


def execute(pair: Pair, *, bound: bool, types: bytes = b"\x08\x00") -> bytes:
    values = b"\x05\0\0\0\0\0\0\0"
    head = b"\x17" + (1).to_bytes(4, "little") + b"\0\x01\0\0\0\x00"
    command = packet(0, head + (b"\x01" + types if bound else b"\x00") + values)
    assert pair.session.command(command) == RELAY
    for step in pair.session.steps_before(pair.state):
        answer = SmallReply(step.kind)
        answer.statement_id, answer.parameters = (77).to_bytes(4, "little"), 1
        step_done(step, answer, pair.state)
    pair.session.replayed(pair.state)
    return pair.session.bind(command, pair.state)


def test_a_statement_is_prepared_where_it_is_needed_under_the_server_s_id(pair: Pair) -> None:
    prepare(pair, 42)
    assert execute(pair, bound=True)[5:9] == (42).to_bytes(4, "little")
    pair.reply(ok())
    pair.state = ServerState(3)
    sent = execute(pair, bound=False)
    assert sent[5:9] == (77).to_bytes(4, "little")
    assert sent[15:18] == b"\x01\x08\x00", "the types that this connection never saw are put in"
    assert int.from_bytes(sent[:3], "little") == len(sent) - 4


def test_closing_a_statement_sends_nothing_unless_it_holds(pair: Pair) -> None:
    prepare(pair, 42)
    assert pair.session.command(packet(0, b"\x18" + (1).to_bytes(4, "little") + b"\0\0data")) == STREAM
    assert pair.session.reasons() == ["long_data"]
    assert pair.session.command(packet(0, b"\x19" + (1).to_bytes(4, "little"))) == STREAM
    prepare(pair, 43)
    number = pair.session.last_prepared
    assert number is not None
    assert pair.session.command(packet(0, b"\x19" + number.id_bytes)) == SILENT


def test_an_unknown_statement_is_the_server_s_error(pair: Pair) -> None:
    assert pair.session.command(packet(0, b"\x17" + (9).to_bytes(4, "little") + b"\0\x01\0\0\0")) == ANSWER
    assert b"Unknown prepared statement handler (9)" in pair.session.answer


def test_the_least_recently_used_statement_is_closed(facts: ServerFacts) -> None:
    state = ServerState(2)
    pair = Pair(facts, state)
    for number, text in enumerate((b"SELECT 1", b"SELECT 2", b"SELECT 3")):
        pair.session.command(packet(0, b"\x16" + text))
        pair.ready()
        pair.reader.start(pair.session.reply_kind)
        pair.reader.feed(packet(1, b"\x00" + (100 + number).to_bytes(4, "little") + b"\0\0\0\0\0\0\0"))
        pair.session.finish(pair.reader, state)
    assert state.take_closes() == b"\x05\0\0\0\x19" + (100).to_bytes(4, "little")
    assert state.take_closes() == b""
