"""Whatever a server says, at a login, in answer to a question or unasked: a result or an end, no exception."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.config.addresses import Address
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.postgres.steps import LOOKUP, ask_step, ping_step
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.upstream.postgres.dial import PostgresDialer
from outlive.upstream.postgres.key import key_of
from outlive.upstream.postgres.login import Login, dead_man_options
from outlive.upstream.postgres.server import PostgresServer
from outlive.upstream.users import Users
from outlive.wire.postgres import messages as m
from outlive.wire.postgres.errors import error_response, notice_response

LOGIN = (
    m.authentication_ok()
    + m.parameter_status(b"server_version", b"18")
    + m.parameter_status(b"in_hot_standby", b"off")
    + m.backend_key_data(7, b"\1\2\3\4")
    + m.ready_for_query(ord("I"))
)
SAID = st.sampled_from(
    [
        m.authentication_ok(),
        m.authentication_cleartext(),
        m.authentication_md5(b"salt"),
        m.authentication_sasl([b"SCRAM-SHA-256"]),
        m.authentication_sasl_continue(b"r=x,s=eA==,i=4096"),
        m.authentication_sasl_final(b"v=x"),
        m.parameter_status(b"a", b"b"),
        m.backend_key_data(7, b"\1\2\3\4"),
        m.ready_for_query(ord("I")),
        m.ready_for_query(ord("T")),
        m.command_complete(b"SET"),
        m.row_description([(b"a", 25)]),
        m.data_row([b"1", None]),
        m.data_row([]),
        m.PARSE_COMPLETE,
        m.CLOSE_COMPLETE,
        notice_response(b"NOTICE", b"00000", b"x"),
        error_response(b"FATAL", b"57P01", b"the end"),
        error_response(b"ERROR", b"42601", b"no"),
        b"A\0\0\0\x0c\0\0\0\1a\0b\0",
        b"S",
        b"N",
        b"E",
        b"\0\0\0\0\0\0\0\0",
        b"R\xff\xff\xff\xff",
    ]
)
STREAM = st.lists(SAID | st.binary(max_size=12), max_size=10).map(b"".join)


class Wire(asyncio.Transport):
    """Takes what is written; closes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.ended = False

    def write(self, data: Any) -> None:
        self.sent += data

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True

    def resume_reading(self) -> None:
        pass


class Alone(PostgresServer):
    """Its connections are in no pool."""

    def retire_now(self, connection: PostgresConnection, why: str, *, polite: bool = False) -> None:
        if connection.logging_in:
            self.dialer.failed(connection, why)
        connection.quit(0.0, polite=polite)


def _server() -> PostgresServer:
    dialer = PostgresDialer(Address("127.0.0.1", 1), Users(), 0, connect_timeout_s=5.0, tls=None)
    limits = Limits(control_connections=0)
    return PostgresServer(dialer.address, limits, dialer, ServerMetrics("x"), dead_man_s=60, prepared_statements=10)


def _pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        if start < end:
            yield data[start:end]


def _open(server: PostgresServer, *, tls: bool) -> tuple[PostgresConnection, list[Any]]:
    connection = server.new_connection(key_of("app", "test"))
    connection.logging_in = True
    connection.connection_made(Wire())
    outcomes: list[Any] = []

    def done(error: Any) -> None:
        connection.logged_in()
        outcomes.append(error)

    login = Login(
        connection,
        password=b"secret",
        keys=None,
        md5=None,
        options=dead_man_options(60, slow_client_s=60),
        tls=tls,
        done=done,
    )
    connection.log_in(login)
    login.begin()
    return connection, outcomes


@settings(max_examples=300, deadline=None)
@given(STREAM, st.lists(st.integers(0, 200), max_size=4), st.booleans())
def test_at_a_login(data: bytes, cuts: list[int], tls: bool) -> None:
    async def run() -> None:
        server = _server()
        connection, outcomes = _open(server, tls=tls)
        for piece in _pieces(data, cuts):
            connection.data_received(piece)
        assert len(outcomes) <= 1
        assert connection.transport is not None
        assert b"secret" not in connection.transport.sent  # type: ignore[attr-defined]

    asyncio.run(run())


@settings(max_examples=300, deadline=None)
@given(STREAM, st.lists(st.integers(0, 200), max_size=4), st.booleans())
def test_in_answer_to_questions_and_unasked(data: bytes, cuts: list[int], asked: bool) -> None:
    async def run() -> None:
        server = _server()
        connection, outcomes = _open(server, tls=False)
        connection.data_received(LOGIN)
        assert outcomes == [None]
        connection.logging_in = False
        answers: list[Any] = []
        if asked:
            connection.run([ask_step(b"SELECT 1", LOOKUP, lambda rows: None), ping_step()], answers.append)
        for piece in _pieces(data, cuts):
            connection.data_received(piece)
        assert len(answers) <= 1
        assert connection.running <= (not answers)

    asyncio.run(run())


def test_the_bound_is_kept_by_every_part_of_it() -> None:
    for seconds in range(3, 1000):
        found = {name: int(value) for name, value in dead_man_options(seconds, slow_client_s=60).items()}
        silence = found[b"tcp_keepalives_idle"] + found[b"tcp_keepalives_interval"] * found[b"tcp_keepalives_count"]
        assert seconds - 1 <= silence <= seconds
        assert found[b"idle_session_timeout"] == seconds * 1000
        assert (b"tcp_user_timeout" in found) == (seconds >= 60)
