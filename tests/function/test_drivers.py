"""What is promised of every driver, on its real server."""

import threading
import time
from collections.abc import Callable

import pytest

from outlive.function import recycled

from ..servers.processes import eventually
from .drivers import Driver


def _write(driver: Driver, number: int) -> str:
    return f"SET work {number}" if driver.database == "redis" else f"INSERT INTO work VALUES ({number})"


def test_a_connection_is_used_again_and_holds_nothing_between_two_requests(driver: Driver) -> None:
    database = driver.recycled()

    async def body() -> None:
        numbers = []
        for _ in range(3):
            async with driver.use(database) as connection:
                numbers.append(await driver.number(connection))
                if driver.name == "asyncpg":
                    continue  # its transactions are blocks of their own
                await driver.ask(connection, _write(driver, 1))  # the same each time: it is rolled back
            if driver.database != "redis":
                assert driver.in_transaction() == 0
        assert len(set(numbers)) == 1
        assert driver.connections() == numbers[:1]
        await driver.close(database)
        eventually(lambda: not driver.connections())

    driver.run(body())
    assert database.stats()["connects"] == 1
    assert database.stats()["recycled"] == 1


def test_per_request_leaves_nothing_on_the_server(driver: Driver) -> None:
    database = driver.recycled(per_request=True)

    async def body() -> None:
        for _ in range(2):
            async with driver.use(database) as connection:
                assert driver.connections() == [await driver.number(connection)]
            # Frozen here: what has not been said by now is never said.
            eventually(lambda: not driver.connections(), 5)

    driver.run(body())
    assert database.stats()["connects"] == 2


def test_an_aged_connection_is_replaced_and_an_idle_one_is_asked(
    driver: Driver, later: Callable[[float], None]
) -> None:
    database = driver.recycled(ttl_s=180)

    async def body() -> None:
        async with driver.use(database) as connection:
            first = await driver.number(connection)
        later(60)
        async with driver.use(database) as connection:
            assert await driver.number(connection) == first
        if driver.database != "redis":
            assert driver.in_transaction() == 0
        later(121)
        async with driver.use(database) as connection:
            second = await driver.number(connection)
        assert second != first
        driver.kill(second)
        later(60)
        async with driver.use(database) as connection:
            assert await driver.number(connection) not in (first, second)
        await driver.close(database)

    driver.run(body())
    eventually(lambda: not driver.connections())
    # redis-py replaces the dead one of its own pool.
    expected = {"connects": 2, "discarded": 0} if driver.name == "redis" else {"connects": 3, "discarded": 1}
    assert expected.items() <= database.stats().items()
    assert database.stats()["pings"] >= 1


def test_a_connection_that_the_server_ended_meanwhile_is_noticed_without_an_idle_time(driver: Driver) -> None:
    if driver.name in ("pg8000", "asyncmy", "aiomysql", "redis-async"):
        pytest.skip("it tells neither its socket nor that it is closed: the ping after an idle time finds out")
    database = driver.recycled()

    async def body() -> None:
        async with driver.use(database) as connection:
            first = await driver.number(connection)
        driver.kill(first)
        async with driver.use(database) as connection:
            assert await driver.number(connection) != first
        await driver.close(database)

    driver.run(body())


def test_an_error_of_the_handler_rolls_back_and_one_of_the_connection_discards_it(driver: Driver) -> None:
    database = driver.recycled()

    async def body() -> None:
        with pytest.raises(ZeroDivisionError):
            async with driver.use(database) as connection:
                first = await driver.number(connection)
                await driver.ask(connection, _write(driver, 2))
                raise ZeroDivisionError
        if driver.database != "redis":
            assert driver.in_transaction() == 0
        async with driver.use(database) as connection:
            assert await driver.number(connection) == first
        with pytest.raises(Exception) as caught:
            async with driver.use(database) as connection:
                driver.kill(first)
                await driver.ask(connection, _write(driver, 3))
                if driver.database == "redis":
                    raise ConnectionError("redis-py connects anew by itself")
        assert "outlive" not in type(caught.value).__module__
        async with driver.use(database) as connection:
            assert await driver.number(connection) != first
        await driver.close(database)

    driver.run(body())
    assert database.stats()["discarded"] == (driver.database != "redis")
    eventually(lambda: not driver.connections())


def test_an_idempotent_function_runs_again_when_its_connection_was_lost_and_no_other_does(driver: Driver) -> None:
    if driver.database == "redis":
        pytest.skip("redis-py does that by itself, unless it is told not to")
    database = driver.recycled()
    numbers: list[int] = []

    async def work(connection: object) -> int:
        numbers.append(await driver.number(connection))
        if len(numbers) % 2:
            driver.kill(numbers[-1])
        await driver.ask(connection, "SELECT 1")
        return len(numbers)

    if driver.is_async:
        once, twice = database(work), database.idempotent(work)
    else:

        def blocking(connection: object) -> int:
            found: int = driver.run(work(connection))
            return found

        once, twice = database(blocking), database.idempotent(blocking)

    async def body() -> None:
        with pytest.raises(Exception):
            await once() if driver.is_async else once()
        assert len(numbers) == 1
        numbers.clear()
        assert (await twice() if driver.is_async else twice()) == 2
        await driver.close(database)

    driver.run(body())
    assert database.stats()["repeats"] == 1


def test_a_full_database_is_waited_for_and_not_for_longer_than_there_is_time(driver: Driver) -> None:
    if driver.name in ("aiomysql", "psycopg2", "pg8000"):
        pytest.skip("tests/unit/function has its error; a full server for each would take long")
    fill, leave = _full(driver)
    database = driver.recycled()
    taken = fill()
    try:

        async def refused() -> None:
            began = time.monotonic()
            with pytest.raises(Exception) as caught:
                async with driver.use(database, 0.3):
                    pass
            assert 0.2 < time.monotonic() - began < 5
            assert any("outlive.function: tried for" in note for note in caught.value.__notes__)
            assert type(caught.value) is not TimeoutError  # but the driver's own

        driver.run(refused())
        assert database.stats()["connects"] == 0

        async def served() -> None:
            async with driver.use(database, 20) as connection:
                await driver.ask(connection, _write(driver, 4))
            await driver.close(database)

        refusals = database.stats()["full"]
        waiting = threading.Thread(target=lambda: driver.run(served()))
        waiting.start()
        eventually(lambda: database.stats()["full"] > refusals + 1)
        leave(taken)
        waiting.join(20)
        assert database.stats()["connects"] == 1
    finally:
        leave(taken)
        eventually(lambda: not driver.connections())


def _full(driver: Driver) -> tuple[Callable[[], list], Callable[[list], None]]:
    server = driver.server
    if driver.database == "redis":

        def leave_redis(taken: list) -> None:
            server.admin.config_set("maxclients", 1000)
            while taken:
                taken.pop().close()

        return lambda: server.fill(12), leave_redis

    def leave(taken: list) -> None:
        while taken:
            taken.pop().close()
        eventually(lambda: len(server.connection_ids()) < 5)

    def fill() -> list:
        if driver.database == "mariadb":
            server.query("SET GLOBAL max_connections = 10")
        taken: list = []
        try:
            while True:
                taken.append(server.connect(*_ordinary(driver)))
        except Exception:
            return taken

    return fill, leave


def _ordinary(driver: Driver) -> tuple:
    from ..servers.database import APP2

    return (APP2,)


def test_more_threads_than_connections_wait_for_each_other(function_servers: dict) -> None:
    from .drivers import DRIVERS

    driver = DRIVERS[0]
    driver.servers = function_servers
    database = recycled(driver.factory(), max_size=2)
    most = []

    def work() -> None:
        with database.connection() as connection:
            driver.run(driver.ask(connection, "SELECT SLEEP(0.02)"))
            most.append(len(driver.connections()))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(most) == 6
    assert max(most) <= 2
    database.close()
