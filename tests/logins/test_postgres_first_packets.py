"""What PostgreSQL clients send first: requests for encryption, versions, cancel keys, settings; and strangers."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from outlive.wire.postgres.constants import (
    AUTHENTICATION,
    BACKEND_KEY_DATA,
    NEGOTIATE_PROTOCOL_VERSION,
    PARAMETER_STATUS,
    PROTOCOL_3_2,
    READY_FOR_QUERY,
)
from outlive.wire.postgres.messages import (
    cancel_request,
    parse_backend_key_data,
    parse_negotiate_protocol_version,
    query,
    ssl_request,
    startup,
)
from tests.servers import OutliveProcess, Postgres18
from tests.servers.certificates import Certificates
from tests.servers.database import APP
from tests.servers.processes import eventually

from .raw_postgres import GSSENC_REQUEST, Raw
from .test_postgres_methods import TLS, entry, tls, who

Start = Callable[..., OutliveProcess]


@pytest.fixture(scope="module")
def plain(postgres18: Postgres18) -> Iterator[OutliveProcess]:
    with OutliveProcess(entry(postgres18)) as node:
        yield node


@pytest.fixture(scope="module")
def secure(postgres18: Postgres18) -> Iterator[OutliveProcess]:
    with OutliveProcess(TLS.format(Certificates.shared()) + entry(postgres18)) as node:
        yield node


# -- encryption ------------------------------------------------------------------------------------


def test_requests_for_encryption_that_is_not_to_be_had(plain: OutliveProcess) -> None:
    raw = Raw(plain.pg_port, before=GSSENC_REQUEST)
    assert raw.byte() == b"N"
    raw.send(ssl_request())
    assert raw.byte() == b"N"
    raw.start()
    raw.authenticate()
    raw.until(READY_FOR_QUERY)


def test_gssapi_is_refused_and_tls_taken(secure: OutliveProcess) -> None:
    raw = Raw(secure.pg_port, before=GSSENC_REQUEST)
    assert raw.byte() == b"N"
    raw.secure()
    raw.start()
    raw.authenticate()
    raw.until(READY_FOR_QUERY)


def test_bytes_behind_an_ssl_request_are_an_attack(secure: OutliveProcess) -> None:
    """CVE-2021-23214: what somebody put there would be taken for what came encrypted."""
    raw = Raw(secure.pg_port, before=ssl_request() + startup(PROTOCOL_3_2, {b"user": b"app"}))
    assert raw.error().message == b"received unencrypted data after SSL request"
    # In a later segment they are no TLS.
    raw = Raw(secure.pg_port, before=ssl_request())
    assert raw.byte() == b"S"
    raw.send(startup(PROTOCOL_3_2, {b"user": b"app"}))
    assert b"Z" not in raw.sock.recv(100)


def test_encryption_is_asked_for_once(secure: OutliveProcess) -> None:
    raw = Raw(secure.pg_port)
    raw.secure()
    raw.send(ssl_request())
    assert raw.error().code == b"08P01"
    raw = Raw(secure.pg_port, before=GSSENC_REQUEST)
    assert raw.byte() == b"N"
    raw.send(GSSENC_REQUEST)
    assert raw.error().code == b"08P01"


def test_tls_without_an_ssl_request(secure: OutliveProcess) -> None:
    assert who(secure, sslnegotiation="direct", sslmode="require") == APP.user
    raw = Raw(secure.pg_port)
    raw.secure(direct=True)
    raw.start()
    raw.authenticate()
    raw.until(READY_FOR_QUERY)


def test_direct_tls_must_be_meant_for_this_protocol(secure: OutliveProcess, plain: OutliveProcess) -> None:
    raw = Raw(secure.pg_port)
    raw.secure(direct=True, alpn=("http/1.1",))
    raw.start()
    assert raw.error().code == b"08P01"
    # With an SSLRequest nothing of the kind is needed: older clients say nothing.
    raw = Raw(secure.pg_port)
    raw.secure(alpn=())
    raw.start()
    raw.authenticate()
    raw = Raw(plain.pg_port)
    with pytest.raises((ssl.SSLError, OSError)):
        raw.secure(direct=True)


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_versions_of_libpq(plain: OutliveProcess, version: str) -> None:
    with plain.pg(max_protocol_version=version, min_protocol_version=version) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.cancel()


def test_newer_versions_and_options_are_negotiated(plain: OutliveProcess) -> None:
    raw = Raw(plain.pg_port)
    raw.start(version=3 << 16 | 9999, **{"_pq_.command_tag_format": "x", "_pq_.other": "y"})
    found = raw.until(NEGOTIATE_PROTOCOL_VERSION)[NEGOTIATE_PROTOCOL_VERSION][0]
    assert parse_negotiate_protocol_version(found) == (PROTOCOL_3_2, [b"_pq_.command_tag_format", b"_pq_.other"])
    raw.authenticate()
    pid, key = parse_backend_key_data(raw.until(READY_FOR_QUERY)[BACKEND_KEY_DATA][0])
    assert pid > 0
    assert len(key) == 32


def test_protocol_3_0_has_short_keys_and_no_negotiation(plain: OutliveProcess) -> None:
    raw = Raw(plain.pg_port)
    raw.start()
    raw.authenticate()
    found = raw.until(READY_FOR_QUERY)
    assert len(parse_backend_key_data(found[BACKEND_KEY_DATA][0])[1]) == 4
    assert NEGOTIATE_PROTOCOL_VERSION not in found
    assert b"server_version\0" in b"".join(found[PARAMETER_STATUS])


@pytest.mark.parametrize("code", [2 << 16, 4 << 16, 0, 1234 << 16 | 5681])
def test_other_protocols_are_refused(plain: OutliveProcess, code: int) -> None:
    raw = Raw(plain.pg_port, before=startup(code, {b"user": b"app"}))
    error = raw.error()
    assert error.code == b"0A000"
    assert error.message.startswith(b"unsupported frontend protocol %d.%d:" % (code >> 16, code & 0xFFFF))


# -- the startup packet ----------------------------------------------------------------------------


OPTIONS = '-c search_path="a\\ b",public -c work_mem=8MB --DateStyle=German -c test.x=1 -c idle_session_timeout=1h'
REPORTED = ("application_name", "DateStyle", "search_path", "client_encoding")
SHOWN = (*REPORTED, "work_mem", "test.x", "idle_session_timeout")


def test_startup_settings_are_the_clients_defaults(plain: OutliveProcess, postgres18: Postgres18) -> None:
    """And read and reset as without Outlive, on whatever connection."""

    def steps(connection: "psycopg.Connection[Any]") -> list[object]:
        found: list[object] = []
        for statement in ("", "SET work_mem = '1MB'", "SET search_path = public", "RESET work_mem", "RESET ALL"):
            if statement:
                connection.execute(statement)  # type: ignore[call-overload]
            for name in SHOWN:
                found.append(connection.execute(f"SHOW {name}").fetchone())  # type: ignore[call-overload]
            found += [connection.info.parameter_status(name) for name in REPORTED]
        return found

    options = {"options": OPTIONS, "application_name": "mine", "client_encoding": "LATIN1"}
    with plain.pg(**options) as through, plain.pg() as other, postgres18.connect(APP, **options) as direct:
        expected = steps(direct)
        assert expected[2] in (('"a b",public',), ('"a b", public',))
        assert steps(through) == expected
        assert other.execute("SHOW work_mem").fetchone() == ("4MB",)
        assert steps(through) == expected


def test_settings_that_the_server_refuses(plain: OutliveProcess) -> None:
    for options, words in {
        "-c nonesuch=1": 'unrecognized configuration parameter "nonesuch"',
        "-c work_mem=much": 'invalid value for parameter "work_mem"',
        "-c fsync=off": 'parameter "fsync" cannot be changed now',
        "-c role=postgres": 'permission denied to set role "postgres"',
        "-d 5": "no setting",
    }.items():
        with pytest.raises(psycopg.OperationalError, match=words):
            plain.pg(options=options)
    assert who(plain) == APP.user


def test_databases_that_nobody_serves(plain: OutliveProcess) -> None:
    with pytest.raises(psycopg.OperationalError, match='database "nonesuch" does not exist') as caught:
        plain.pg(dbname="nonesuch")
    assert "Outlive serves test." in str(caught.value)
    # Only those are told who have logged in.
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        plain.pg(dbname="nonesuch", password="wrong")


def test_replication_is_refused(plain: OutliveProcess) -> None:
    with pytest.raises(psycopg.OperationalError, match="replication connections cannot be pooled"):
        plain.pg(replication="database")


# -- cancel keys -----------------------------------------------------------------------------------


def test_only_the_right_key_cancels(plain: OutliveProcess) -> None:
    raw = Raw(plain.pg_port)
    raw.start(version=PROTOCOL_3_2)
    raw.authenticate()
    pid, key = parse_backend_key_data(raw.until(READY_FOR_QUERY)[BACKEND_KEY_DATA][0])
    raw.send(query(b"SELECT pg_sleep(30)"))
    eventually(lambda: plain.metric("outlive_server_connections", state="leased") == 1)
    refused = plain.metric("outlive_clients_refused_total", reason="cancel")
    for wrong in ((pid, bytes(32)), (pid, key[:4]), (pid + 1, key), (pid, key + b"\0")):
        stranger = Raw(plain.pg_port, before=cancel_request(*wrong))
        assert stranger.ends()
    assert plain.metric("outlive_clients_refused_total", reason="cancel") == refused + 4
    assert Raw(plain.pg_port, before=cancel_request(pid, key)).ends()
    with pytest.raises(AssertionError, match="canceling statement due to user request"):
        raw.until(READY_FOR_QUERY)
    raw.until(READY_FOR_QUERY)
    raw.send(query(b"SELECT 1"))
    raw.until(READY_FOR_QUERY)
    # Between statements there is nothing to cancel, and the next one is not hit.
    for _ in range(20):
        assert Raw(plain.pg_port, before=cancel_request(pid, key)).ends()
        raw.send(query(b"SELECT 1"))
        raw.until(READY_FOR_QUERY)


@contextmanager
def cancelled(connection: "psycopg.Connection[Any]", when: Callable[[], bool]) -> Iterator[None]:
    """Cancels what runs inside as soon as `when` comes true."""

    def cancel() -> None:
        eventually(when)
        connection.cancel_safe()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        yield
    canceller.join()


def test_a_cancel_request_by_tls(secure: OutliveProcess) -> None:
    with secure.pg(sslmode="require") as connection:
        with cancelled(connection, lambda: secure.metric("outlive_leases_held") == 1):
            connection.execute("SELECT pg_sleep(30)")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_one_that_waits_in_the_queue_is_cancelled(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive([postgres18.url(max_connections=1)])
    with node.pg(autocommit=False) as holder, node.pg() as waiter:
        holder.execute("SELECT 1")
        with cancelled(waiter, lambda: node.metric("outlive_waiters") == 1):
            waiter.execute("SELECT 1")
        holder.rollback()
        assert waiter.execute("SELECT 2").fetchone() == (2,)


# -- strangers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0\0\0\x07",
        b"\x7f\xff\xff\xff",
        b"\0\0\0\x08\0\x03\0\0",
        startup(PROTOCOL_3_2, {b"user": b"app"})[:-1] + b"x",
        struct.pack(">II", 12, 80877102) + bytes(4),
        struct.pack(">II", 9, 80877103) + b"x",
        b"\0\0\x27\x10" + bytes(9996),
    ],
)
def test_first_packets_that_are_none(plain: OutliveProcess, data: bytes) -> None:
    raw = Raw(plain.pg_port, before=data)
    assert raw.error().code in (b"08P01", b"0A000")


def test_whoever_says_something_else_in_a_login(plain: OutliveProcess) -> None:
    for data in (query(b"SELECT 1"), b"p\0\0\0\x03", b"p\x7f\xff\xff\xff", b"X\0\0\0\x04"):
        raw = Raw(plain.pg_port)
        raw.start()
        raw.until(AUTHENTICATION)
        raw.send(data)
        assert raw.error().code == b"08P01"


def test_more_than_a_login_is_not_read(plain: OutliveProcess, secure: OutliveProcess) -> None:
    for node in (plain, secure):
        raw = Raw(node.pg_port)
        if node is secure:
            raw.secure()
        raw.start()
        raw.until(AUTHENTICATION)
        with pytest.raises(OSError):  # noqa: PT012
            for _ in range(1000):
                raw.send(b"p\0\0\x3f\xff" + bytes(100))
                raw.send(bytes(65536))
    assert who(plain) == APP.user


def test_a_handshake_without_end(secure: OutliveProcess) -> None:
    raw = Raw(secure.pg_port, before=ssl_request())
    assert raw.byte() == b"S"
    with pytest.raises(OSError):  # noqa: PT012
        while True:
            raw.send(b"\x16\x03\x01\x00\x01\x01")


def test_a_flood_of_logins_and_those_that_come_and_go(plain: OutliveProcess) -> None:
    """They cost no server connection, and nobody waits behind them."""
    silent = [socket.create_connection(("127.0.0.1", plain.pg_port)) for _ in range(300)]
    half = []
    for number in range(300):
        raw = Raw(plain.pg_port)
        raw.send(startup(PROTOCOL_3_2, {b"user": b"stranger%d" % number, b"database": b"test"})[: -1 - number % 2])
        half.append(raw)
    before = plain.metric("outlive_dials_total")
    assert who(plain) == APP.user
    assert plain.metric("outlive_dials_total") - before <= 1
    for sock in silent:
        sock.close()
    for raw in half:
        raw.close()


def test_slow_logins_end(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive("login_timeout_s = 1\n" + entry(postgres18))
    raw = Raw(node.pg_port)
    raw.start()
    raw.until(AUTHENTICATION)
    begun = (b"", ssl_request()[:4], startup(PROTOCOL_3_2, {b"user": b"app"})[:10])
    for silent in [Raw(node.pg_port, before=data) for data in begun]:
        assert silent.ends()
    assert raw.error().message == b"canceling authentication due to timeout"
    assert node.metric("outlive_client_logins_refused_total", reason="timeout") == 4


def test_clients_above_the_limit(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive("max_clients = 2\n" + entry(postgres18))
    first, second = node.pg(autocommit=False), node.pg(autocommit=False)
    first.execute("SELECT 1")
    second.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="too many clients: max_clients are connected"):
        node.pg()
    assert node.metric("outlive_clients_refused_total", reason="max_clients") > 0
    # A CancelRequest needs no place.
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(30)'"
    with cancelled(second, lambda: postgres18.query(sleeps) == ((1,),)):  # it has begun
        second.execute("SELECT pg_sleep(30)")
    second.rollback()
    second.execute("SELECT 1")
    first.rollback()
    assert who(node, sslmode="disable") == APP.user  # in the place of the first, which is idle
    with pytest.raises(psycopg.OperationalError):
        first.execute("SELECT 1")
    second.close()


def test_a_proxy_header(outlive: Start, postgres18: Postgres18) -> None:
    trusted = 'proxy_protocol = "required"\nproxy_protocol_trusted = ["127.0.0.0/8"]\n'
    node = outlive(tls(trusted) + entry(postgres18))
    addresses = bytes((192, 0, 2, 7, 127, 0, 0, 1)) + bytes(4)
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(addresses)) + addresses
    for cut in (0, 5, len(header)):
        raw = Raw(node.pg_port, before=header[:cut])
        raw.send(header[cut:] + GSSENC_REQUEST)
        assert raw.byte() == b"N"
        raw.secure()
        raw.start()
        raw.authenticate()
        raw.until(READY_FOR_QUERY)
    raw = Raw(node.pg_port)
    raw.start()
    assert raw.ends()
    assert node.metric("outlive_clients_refused_total", reason="proxy_protocol") == 1


@pytest.mark.parametrize("required", ["mysql", "postgres"])
def test_a_proxy_header_on_one_listener(outlive: Start, postgres18: Postgres18, required: str) -> None:
    """MySQL's database needs not be there: whether its listener wants a header shows at the first bytes."""
    trusted = f'proxy_protocol = "required-{required}"\nproxy_protocol_trusted = ["127.0.0.0/8"]\n'
    node = outlive(tls(trusted) + entry(postgres18) + '[databases.my]\nurl = "mysql://app:none@127.0.0.1:1/test"\n')
    raw = Raw(node.pg_port)
    raw.start()
    if required == "mysql":
        raw.authenticate()
        raw.until(READY_FOR_QUERY)
        raw = Raw(node.port, before=b"no header at all")
    assert raw.ends()
    assert node.metric("outlive_clients_refused_total", reason="proxy_protocol") == 1
