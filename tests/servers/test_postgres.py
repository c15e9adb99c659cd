"""The tests' own PostgreSQL servers and PgBouncers do what the other tests rely on."""

import os
import select
import socket

import psycopg
import pytest

from . import PgBouncer118, PgBouncer126, Postgres15, Postgres18, PostgresServer
from .database import APP, NO_PASSWORD, TLS_ONLY
from .postgres import CERTIFIED, CLEAR, MD5


@pytest.mark.parametrize("account", [APP, MD5, CLEAR, NO_PASSWORD], ids=lambda account: account.user)
def test_accounts_log_in_over_plain_tcp(pg: PostgresServer, account) -> None:
    with pg.connect(account, sslmode="disable") as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (account.user, "test")


@pytest.mark.parametrize("account", [APP, MD5, CLEAR], ids=lambda account: account.user)
def test_a_wrong_password_is_refused(pg: PostgresServer, account) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        pg.connect(account, password="wrong")


def test_the_secure_account_needs_tls(pg: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        pg.connect(TLS_ONLY, sslmode="disable")
    trusted = {"sslmode": "verify-full", "channel_binding": "require"}
    pg.connect(TLS_ONLY, sslrootcert=str(pg.certificates.ca), **trusted).close()
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        pg.connect(TLS_ONLY, sslrootcert=str(pg.certificates.other_ca), **trusted)


def test_a_client_certificate_logs_in(pg: PostgresServer) -> None:
    files = pg.certificates
    with pytest.raises(psycopg.OperationalError):
        pg.connect(CERTIFIED, sslmode="require")
    pg.connect(CERTIFIED, sslmode="require", sslcert=str(files.client_cert), sslkey=str(files.client_key)).close()


def test_versions_and_stored_secrets(postgres15: Postgres15, postgres18: Postgres18) -> None:
    assert postgres15.query("SHOW server_version_num")[0][0].startswith("15")
    assert postgres18.query("SHOW server_version_num")[0][0].startswith("18")
    for server in (postgres15, postgres18):
        stored = dict(server.query("SELECT rolname, left(rolpassword, 13) FROM pg_authid WHERE rolpassword <> ''"))
        assert stored[APP.user] == "SCRAM-SHA-256"
        assert stored[MD5.user].startswith("md5")


def test_the_limit_is_that_of_users_and_the_superuser_still_gets_in() -> None:
    with Postgres15(max_connections=2, tls=False) as server:
        taken = [server.connect(APP) for _ in range(2)]
        with pytest.raises(psycopg.OperationalError, match="connection slots"):
            server.connect(APP)
        assert sorted(server.connection_ids("app")) == sorted(connection.info.backend_pid for connection in taken)
        for connection in taken:
            connection.close()


def test_it_keeps_its_data_over_a_crash_leaves_no_process_and_removes_its_folder() -> None:
    with Postgres18() as server:
        server.query("CREATE TABLE kept (a INT)")
        client = server.connect(APP)
        backend = os.pidfd_open(client.info.backend_pid)
        server.kill()
        assert select.select([backend], [], [], 0)[0], "the client's process still runs"
        os.close(backend)
        server.start()
        assert server.query("SELECT count(*) FROM kept") == ((0,),)
        folder = server.folder
    assert not folder.exists()


def test_paused_it_is_silent(pg: PostgresServer) -> None:
    client = pg.connect(APP)
    pg.pause()
    try:
        asked = socket.create_connection((pg.host, pg.port), 5)
        asked.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
        asked.settimeout(0.3)
        with pytest.raises(TimeoutError):
            asked.recv(1)
        asked.close()
    finally:
        pg.resume()
    assert client.execute("SELECT 1").fetchone() == (1,)
    client.close()


def test_a_standby_is_promoted() -> None:
    with Postgres15() as server:
        server.demote()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            server.query("CREATE TABLE refused (a INT)")
        server.promote()
        server.query("CREATE TABLE taken (a INT)")


@pytest.mark.parametrize("kind", [PgBouncer118, PgBouncer126], ids=lambda kind: kind.version)
def test_pgbouncer_pools(kind: type[PgBouncer118], postgres18: Postgres18) -> None:
    with kind(postgres18, pool_size=1, tls=True) as pooler:
        trusted = {"sslmode": "verify-full", "sslrootcert": str(pooler.certificates.ca)}
        with pooler.connect(**trusted) as first, pooler.connect(sslmode="disable") as second:
            backends = {client.execute("SELECT pg_backend_pid()").fetchone() for client in (first, second)}
        assert len(backends) == 1
        assert pooler.console("SHOW VERSION")[0]["version"].startswith(f"PgBouncer {kind.version}.")
