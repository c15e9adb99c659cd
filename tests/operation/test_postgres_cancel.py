"""A CancelRequest ends the statement it is meant for, and nothing else, however late it comes."""

import asyncio
import random

import pytest

from outlive.upstream.postgres import cancel
from outlive.upstream.postgres.connection import PostgresConnection

from ..servers import PostgresServer
from .postgres_upstream import Lost, in_loop, until, upstream

CANCELLED = b"57014"


async def _runs(pg: PostgresServer, statements: int = 1) -> None:
    """One that comes before its statement was read is dropped by the server."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep.30' AND state = 'active' AND usename = 'app'"
    async with asyncio.timeout(20):
        while pg.query(asked) != ((statements,),):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("tls", ["disabled", "verify-identity"])
@in_loop
async def test_it_ends_the_statement(pg: PostgresServer, tls: str) -> None:
    async with upstream(pg, tls=tls) as up:
        connection = await up.lease()
        statement = up.begin(connection, "SELECT pg_sleep(30)")
        await _runs(pg)
        told = asyncio.get_running_loop().create_future()
        up.server.cancel(connection, "client", lambda: told.set_result(None))
        assert connection.doubtful
        reply = await asyncio.wait_for(statement.over, 10)
        assert reply.error is not None
        assert reply.error.code == CANCELLED
        await asyncio.wait_for(told, 10)
        await up.clean(connection)
        assert not connection.doubtful
        assert await up.lease() is connection
        assert up.metrics.kills == {"client": 1}


@in_loop
async def test_it_never_hits_a_bystander(pg: PostgresServer, count) -> None:
    """Sent around the end of the statement it is meant for; whoever has the connection next is left alone."""
    chance = random.Random(11)
    async with upstream(pg, max_connections=4) as up:
        found = {"in time": 0, "too late": 0}

        async def rounds(number: int) -> None:
            for _ in range(number):
                connection = await up.lease()
                statement = up.begin(connection, f"SELECT pg_sleep({chance.choice((0, 0, 0.001, 0.002, 0.02))})")
                await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.001, 0.002)))
                up.server.cancel(connection, "client")
                reply = await asyncio.wait_for(statement.over, 20)
                found["in time" if reply.error is not None else "too late"] += 1
                assert reply.error is None or reply.error.code == CANCELLED
                await up.clean(connection)
                bystander = await up.lease()
                for sql in ("SELECT 1", "SELECT pg_sleep(0.001)", "SELECT 2"):
                    reply = await up.say(bystander, sql)
                    assert reply.error is None, reply.error.message
                up.server.give_back(bystander)

        each = count(250, 2500)
        await asyncio.gather(*(rounds(each) for _ in range(4)))
        assert found["in time"] > each // 10, found
        assert found["too late"] > each // 10, found


@in_loop
async def test_one_that_was_not_sent_is_not_sent(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        await up.say(connection, "SELECT 1")
        up.server.cancel(connection, "client")  # its connection is being opened
        await up.clean(connection)
        assert await up.lease() is connection
        assert (await up.say(connection, "SELECT pg_sleep(0.05)")).error is None


@in_loop
async def test_one_that_does_not_settle_costs_the_connection(
    pg: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancel, "CANCEL_TIMEOUT_S", 0.3)
    async with upstream(pg) as up:
        connection = await up.lease()
        statement = up.begin(connection, "SELECT pg_sleep(30)")
        await _runs(pg)
        pg.pause()
        told = asyncio.get_running_loop().create_future()
        try:
            up.server.cancel(connection, "client", lambda: told.set_result(None))
            await asyncio.wait_for(told, 10)
            assert connection.closing_since is not None
            with pytest.raises(Lost):
                await statement.over
        finally:
            pg.resume()
        await until(lambda: connection.lost)


@in_loop
async def test_a_server_that_is_gone(pg: PostgresServer) -> None:
    """Nobody is cancelled and nobody is told otherwise; the statement's own connection tells of the end."""
    async with upstream(pg) as up:
        connection = await up.lease()
        statement = up.begin(connection, "SELECT pg_sleep(30)")
        await _runs(pg)
        pg.kill()
        try:
            told = asyncio.get_running_loop().create_future()
            up.server.cancel(connection, "client", lambda: told.set_result(None))
            await asyncio.wait_for(told, 10)
            with pytest.raises(Lost):
                await asyncio.wait_for(statement.over, 10)
        finally:
            pg.start()


@in_loop
async def test_many_at_once_and_some_too_early(pg: PostgresServer) -> None:
    """Sent with the statement, it may come first and be dropped; then it is sent again, until the statement ends."""
    async with upstream(pg, max_connections=40) as up:
        connections = [await up.lease() for _ in range(40)]
        statements = [up.begin(connection, "SELECT pg_sleep(30)") for connection in connections]
        for connection in connections:
            up.server.cancel(connection, "client_gone")
            up.server.cancel(connection, "client_gone")
        waiting = asyncio.gather(*(statement.over for statement in statements))
        while not waiting.done():
            up.server.sweep(up.server.time())
            await asyncio.wait([waiting], timeout=0.2)
        assert all(reply.error is not None for reply in waiting.result())
        for connection in connections:
            await up.clean(connection)
        assert up.metrics.kills == {"client_gone": 40}


@in_loop
async def test_a_statement_that_holds_up_a_close_is_ended(pg: PostgresServer) -> None:
    """The goodbye lies unread behind a statement: once ended, the server closes and the slot is free."""
    async with upstream(pg) as up:
        connection: PostgresConnection = await up.lease()
        # Without looking at its socket meanwhile.
        up.begin(connection, "SET client_connection_check_interval = 0; SELECT pg_sleep(30)")
        await _runs(pg)
        up.server.retire_now(connection, "kill")
        await asyncio.sleep(0.1)
        assert not connection.lost
        up.server.end_statement(connection)
        await until(lambda: connection.lost, 10)
        assert connection.saw_end
