"""Outlive's logins at PostgreSQL servers: authentication, TLS, refusals, the budget, the dead man's switch."""

import asyncio
import signal

import pytest

from outlive.auth.postgres.md5 import md5_hash
from outlive.auth.postgres.scram import ScramKeys
from outlive.config.secrets import Secret
from outlive.session.postgres.steps import ping_step
from outlive.upstream.failure import Failure
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.upstream.postgres.key import key_of

from ..servers import Postgres15, Postgres18, PostgresServer
from ..servers.database import APP, NO_PASSWORD, TLS_ONLY, Account
from ..servers.postgres import CERTIFIED, CLEAR, MD5
from .postgres_upstream import Refused, Upstream, in_loop, until, upstream


@pytest.mark.parametrize("tls", ["disabled", "required", "verify-ca", "verify-identity"])
@pytest.mark.parametrize("account", [APP, MD5, CLEAR, NO_PASSWORD, TLS_ONLY], ids=lambda account: account.user)
@in_loop
async def test_every_way_of_authentication(pg: PostgresServer, account: Account, tls: str) -> None:
    async with upstream(pg, account=account, tls=tls) as up:
        if tls == "disabled" and account in (CLEAR, TLS_ONLY):
            with pytest.raises(Refused) as refused:
                await up.lease()
            assert refused.value.error.code == b"28000"
            return
        connection = await up.lease()
        assert await up.ask(connection, "SELECT current_user, current_database()") == [(account.user.encode(), b"test")]
        encrypted = await up.value(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert encrypted == (b"f" if tls == "disabled" else b"t")
        assert connection.backend[0] == int(await up.value(connection, "SELECT pg_backend_pid()") or 0)
        assert len(connection.backend[1]) == 4
        assert up.server.is_known


@in_loop
async def test_a_client_certificate(pg: PostgresServer) -> None:
    shown = {"certificate": str(pg.certificates.client_cert), "key": str(pg.certificates.client_key)}
    async with upstream(pg, account=CERTIFIED, tls="verify-identity", **shown) as up:
        connection = await up.lease()
        assert await up.value(connection, "SELECT current_user") == b"client"
    async with upstream(pg, account=CERTIFIED, tls="verify-identity") as up:
        with pytest.raises(Refused):
            await up.lease()


@in_loop
async def test_an_authority_that_is_not_trusted(pg: PostgresServer) -> None:
    async with upstream(pg, tls="verify-ca", ca=str(pg.certificates.other_ca)) as up:
        failure = await _failure(up)
        assert failure.kind == "tls"
        assert "certificate is not trusted" in failure.text


@in_loop
async def test_a_server_without_tls() -> None:
    with Postgres15(tls=False) as pg:
        async with upstream(pg, tls="required") as up:
            failure = await _failure(up)
            assert (failure.kind, failure.refusal) == ("tls", None)


@pytest.mark.parametrize("account", [APP, MD5], ids=lambda account: account.user)
@in_loop
async def test_a_wrong_password_and_its_rotation(pg: PostgresServer, account: Account) -> None:
    async with upstream(pg, account=Account(account.user, "wrong")) as up:
        with pytest.raises(Refused) as refused:
            await up.lease()
        assert refused.value.error.code == b"28P01"
        assert refused.value.error.message == b'password authentication failed for user "%b"' % account.user.encode()
        assert refused.value.error.severity == b"FATAL"
        up.dialer.users.secrets[account.user] = Secret("literal", account.password)
        await up.lease(key_of(account.user, "test", 0, reads=True))  # another key: it has no backoff


@in_loop
async def test_a_database_that_there_is_not(pg: PostgresServer) -> None:
    async with upstream(pg, database="missing") as up:
        with pytest.raises(Refused, match="3D000"):
            await up.lease()
        assert await up.lease(key_of("app", "other"))
    async with upstream(pg, database="template0") as up:
        with pytest.raises(Refused, match="55000"):
            await up.lease()


@in_loop
async def test_keys_and_hashes_in_place_of_passwords(pg: PostgresServer) -> None:
    nothing = Account(APP.user, "")
    async with upstream(pg, account=APP) as up:
        await up.lease()
        ((_, keys),) = up.dialer._derived.values()
        assert isinstance(keys, ScramKeys)
        # The next login takes them in place of a derivation.
        assert await up.lease(key_of("app", "other"))
    async with upstream(pg, account=nothing) as up:
        with pytest.raises(Refused, match="28P01"):
            await up.lease()
        up.dialer.learn_keys(APP.user, keys)
        assert await up.lease(key_of("app", "other"))
    async with upstream(pg, account=Account(MD5.user, "")) as up:
        up.dialer.learn_hash(MD5.user, md5_hash(MD5.password.encode(), MD5.user.encode()))
        assert await up.lease()


@in_loop
async def test_a_full_server() -> None:
    with Postgres15(max_connections=2) as pg:
        taken = [pg.connect(APP) for _ in range(2)]
        async with upstream(pg) as up:
            lease = asyncio.ensure_future(up.lease())
            await until(lambda: bool(up.failures))
            failure = up.failures[0]
            assert (failure.kind, failure.server_full, failure.refusal) == ("too_many_connections", True, None)
            assert failure.text.startswith("53300 ")
            for connection in taken:
                connection.close()
            assert await lease


@in_loop
async def test_a_server_that_shuts_down_or_starts() -> None:
    with Postgres18() as pg:
        holder = pg.connect(APP)
        assert pg.process is not None
        pg.process.signal(signal.SIGTERM)  # smart: whoever is connected may stay, and nobody comes
        pg.process.wait_line("received smart shutdown request", 20)
        async with upstream(pg) as up:
            failure = await _failure(up)
            assert failure.kind == "refused"
            assert failure.text.startswith("57P03 ") or "refused" in failure.text
        holder.close()


@in_loop
async def test_a_reused_slot_is_never_refused_at_the_limit(count) -> None:
    """Closing and dialling anew with a budget that is all that the server has: the server's end is awaited."""
    with Postgres15(max_connections=3) as pg:
        async with upstream(pg, max_connections=3) as up:
            keys = [key_of("app", "test"), key_of("app", "other"), key_of("app2", "test")]
            up.dialer.users.secrets["app2"] = Secret("literal", "app2-secret")
            for _ in range(count(30, 300)):
                held = [await up.lease(key) for key in keys]
                for connection in held:
                    up.server.retire_now(connection, "reconnect", polite=True)
            assert up.metrics.dial_failures == {}


@in_loop
async def test_the_slot_is_free_at_the_servers_end_and_not_before(pg: PostgresServer) -> None:
    async with upstream(pg, max_connections=1) as up:
        connection = await up.lease()
        pid = connection.backend[0]
        up.begin(connection, "SELECT pg_sleep(0.4)")
        up.server.retire_now(connection, "reconnect", polite=True)
        following = await up.lease(key_of("app", "other"))
        assert pid not in pg.connection_ids("app")
        assert connection.saw_end
        assert following is not connection


@in_loop
async def test_the_dead_mans_switch_is_in_force_and_stays(pg: PostgresServer) -> None:
    async with upstream(pg, dead_man_s=60) as up:
        connection = await up.lease()
        settings = (
            "SELECT name, setting FROM pg_settings WHERE name IN ('idle_session_timeout', 'tcp_keepalives_idle',"
            " 'tcp_keepalives_interval', 'tcp_keepalives_count', 'client_connection_check_interval',"
            " 'tcp_user_timeout', 'idle_in_transaction_session_timeout') ORDER BY name"
        )
        armed = [
            (b"client_connection_check_interval", b"1000"),
            (b"idle_in_transaction_session_timeout", b"60000"),
            (b"idle_session_timeout", b"60000"),
            (b"tcp_keepalives_count", b"3"),
            (b"tcp_keepalives_idle", b"30"),
            (b"tcp_keepalives_interval", b"10"),
            (b"tcp_user_timeout", b"60000"),
        ]
        assert await up.ask(connection, settings) == armed
        for statement in ("RESET ALL", "DISCARD ALL", "RESET idle_session_timeout"):
            await up.say(connection, statement)
            assert await up.ask(connection, settings) == armed


@in_loop
async def test_the_dead_mans_switch_ends_what_was_left(pg: PostgresServer) -> None:
    """An idle session, one in a transaction, and a statement that runs, of an Outlive that says nothing any more."""
    async with upstream(pg, dead_man_s=3) as up:
        idle, busy, running = [await up.lease() for _ in range(3)]
        await up.say(busy, "BEGIN")
        await up.say(running, "SELECT 1")
        for connection in (idle, busy):
            await until(lambda connection=connection: connection.lost, 15)
            assert connection.last_words is None or connection.last_words.code in (b"57P05", b"25P03")
        assert up.metrics.closes


@in_loop
async def test_a_statement_ends_with_the_connection(pg: PostgresServer, eventually) -> None:
    up = Upstream(pg)
    connection = await up.lease()
    up.begin(connection, "SELECT pg_sleep(30)")
    assert connection.transport is not None
    connection.transport.abort()
    await until(lambda: connection.lost)
    eventually(lambda: connection.backend[0] not in pg.connection_ids("app"), 10)


@in_loop
async def test_the_operators_end_and_reload_are_taken_note_of(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        up.server.give_back(connection)
        with pg.connect() as superuser:
            superuser.execute("ALTER SYSTEM SET intervalstyle = 'iso_8601'")
            superuser.execute("SELECT pg_reload_conf()")
            await _pinged_until(up, connection, b"IntervalStyle", b"iso_8601")
            superuser.execute("ALTER SYSTEM RESET intervalstyle")
            superuser.execute("SELECT pg_reload_conf()")
            await _pinged_until(up, connection, b"IntervalStyle", b"postgres")
            superuser.execute("SELECT pg_terminate_backend(%s)", (connection.backend[0],))
        await until(lambda: connection.lost)
        assert connection.last_words is not None
        assert connection.last_words.code == b"57P01"
        assert await up.lease() is not connection


@in_loop
async def test_a_standby_is_no_primary() -> None:
    with Postgres15() as pg:
        pg.demote()
        async with upstream(pg) as up:
            connection = await up.lease()
            assert connection.read_only
            up.dialer.refuses_read_only = True
            failure = await _failure(up)
            assert failure.kind == "read_only"
            pg.promote()
            await _pinged_until(up, connection, b"in_hot_standby", b"off")
            assert not connection.read_only


async def _pinged_until(up: Upstream, connection: PostgresConnection, name: bytes, value: bytes) -> None:
    """A session tells of a setting that changed before its next ReadyForQuery, and not while it is idle."""
    async with asyncio.timeout(20):
        while connection.session.reported.values[name] != value:
            assert await up.run(connection, ping_step()) is None


async def _failure(up: Upstream) -> Failure:
    """What a dial fails with."""
    lease = asyncio.ensure_future(up.lease())
    await until(lambda: bool(up.failures))
    lease.cancel()
    return up.failures.pop(0)
