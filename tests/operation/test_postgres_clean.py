"""What a client leaves behind on a server connection is gone before the next one has it, whatever it was."""

import pytest

from outlive.session.postgres.asking import question
from outlive.session.postgres.steps import ASK_HOLDS, ask_step, ping_step, settings_step
from outlive.wire.postgres.constants import FAILED_TRANSACTION, IDLE, IN_TRANSACTION

from ..servers import PostgresServer
from .postgres_upstream import PostgresConnection, Upstream, in_loop, upstream

LEFT = {
    "temporary table": "CREATE TEMP TABLE leftover (a int); INSERT INTO leftover VALUES (1)",
    "temporary function": "CREATE FUNCTION pg_temp.leftover() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "advisory lock": "SELECT pg_advisory_lock(42), pg_advisory_lock(42), pg_advisory_lock_shared(43)",
    "listen": "LISTEN leftover",
    "cursor": "BEGIN; DECLARE leftover CURSOR WITH HOLD FOR SELECT 1; COMMIT",
    "prepare": "PREPARE leftover AS SELECT 1",
    "set": "SET work_mem = '1MB'; SET search_path = nowhere; SET my.setting = 'leftover'",
    "role": "SET ROLE app",
    "time zone": "SET TIME ZONE INTERVAL '-05:00' HOUR TO MINUTE",
    "client_encoding": "SET client_encoding = 'SJIS'",
    "do": "DO $$ BEGIN PERFORM set_config('work_mem', '2MB', false); END $$",
    "sequence": "CREATE TEMP SEQUENCE s; SELECT nextval('s')",
    "characteristics": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
    "transaction": "BEGIN; CREATE TABLE leftover (a int); SET work_mem = '3MB'",
    "failed transaction": "BEGIN; CREATE TEMP TABLE leftover (a int); SELECT 1/0",
    "all in a transaction": "BEGIN; CREATE TEMP TABLE leftover (a int); SAVEPOINT a; SELECT pg_advisory_lock(7)",
}
EVERYTHING = (
    "SELECT (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')"
    " + (SELECT count(*) FROM pg_listening_channels()) + (SELECT count(*) FROM pg_cursors WHERE is_holdable)"
    " + (SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM pg_class WHERE relname = 'leftover')"
    " + (SELECT count(*) FROM pg_proc WHERE proname = 'leftover')"
    " + (SELECT count(*) FROM pg_settings WHERE source = 'session')"
)


async def _state(up: Upstream, connection: PostgresConnection) -> tuple[dict[bytes, bytes], int]:
    settings: list[dict[bytes, bytes]] = []
    held: list[tuple[bytes | None, ...]] = []
    error = await up.run(connection, settings_step(settings.append), ask_step(question(31), ASK_HOLDS, held.extend))
    assert error is None, error.message
    return settings[0], int(held[0][0] or b"0")


@pytest.mark.parametrize("what", LEFT)
@in_loop
async def test_a_clean_connection_is_as_new(pg: PostgresServer, what: str) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        fresh = connection.session.reported
        reply = await up.say(connection, LEFT[what])
        failed = what == "failed transaction"
        assert (reply.error is not None) == failed, reply.error
        expected = FAILED_TRANSACTION if failed else IN_TRANSACTION if "transaction" in what else IDLE
        assert connection.session.status == expected
        connection.session.left = True
        await up.clean(connection)
        assert connection.session.status == IDLE
        assert not connection.session.left
        assert await up.lease() is connection
        assert await up.value(connection, EVERYTHING) == b"0"
        assert await _state(up, connection) == ({}, 0)
        assert await up.value(connection, "SELECT current_setting('my.setting', true)") in (None, b"")
        reply = await up.say(connection, "SELECT lastval()")
        assert reply.error is not None
        assert connection.session.reported is fresh


@in_loop
async def test_a_transaction_alone_keeps_what_is_prepared(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        await up.say(connection, "PREPARE kept AS SELECT 1")
        await up.say(connection, "BEGIN; SET LOCAL work_mem = '1MB'")
        await up.clean(connection)
        assert await up.value(connection, "SELECT count(*) FROM pg_prepared_statements") == b"1"
        assert await up.value(connection, "SELECT count(*) FROM pg_settings WHERE source = 'session'") == b"0"


@in_loop
async def test_what_nothing_takes_away_costs_the_connection(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        connection.session.loaded = True
        await up.clean(connection)
        assert connection.closing_since is not None
        assert await up.lease() is not connection
        assert up.metrics.closes == {"loaded": 1}


@in_loop
async def test_each_reason_is_told_by_the_server(pg: PostgresServer) -> None:
    """The questions say what is held, one reason at a time, and nothing of other sessions."""
    async with upstream(pg) as up:
        other = await up.lease()
        for sql in ("advisory lock", "listen", "temporary table", "prepare", "cursor"):
            assert (await up.say(other, LEFT[sql])).error is None
        connection = await up.lease()
        for what, bit in (
            ("temporary function", 2),
            ("listen", 4),
            ("cursor", 8),
            ("prepare", 16),
        ):
            assert await _state(up, connection) == ({}, 0)
            assert (await up.say(connection, LEFT[what])).error is None
            assert await _state(up, connection) == ({}, bit)
            connection.session.left = True
            await up.clean(connection)
            assert await up.lease() is connection
        await up.say(other, "SELECT pg_advisory_unlock_all()")
        assert (await up.say(connection, LEFT["advisory lock"])).error is None
        assert await _state(up, connection) == ({}, 1)
        # Locked twice, and so unlocked twice.
        await up.say(connection, "SELECT pg_advisory_unlock(42), pg_advisory_unlock_shared(43)")
        assert await _state(up, connection) == ({}, 1)
        await up.say(connection, "SELECT pg_advisory_unlock(42)")
        assert await _state(up, connection) == ({}, 0)


@in_loop
async def test_statements_that_nobody_wants_are_closed_with_the_next_ping(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        await up.say(connection, "PREPARE a AS SELECT 1; PREPARE b AS SELECT 2; PREPARE c AS SELECT 3")
        connection.session.unwanted += [b"a", b"c", b"missing"]
        assert await up.run(connection, ping_step(connection.session.take_closes())) is None
        assert await up.ask(connection, "SELECT name FROM pg_prepared_statements") == [(b"b",)]
