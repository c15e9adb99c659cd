"""What becomes of an instance: cancelled, forked, on another event loop, told to end. And SQLAlchemy's pools in one."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from outlive.function import deadline, recycled
from outlive.function.sqlalchemy import recycle

from ..servers.database import APP, APP2
from ..servers.processes import Process, eventually
from .drivers import DRIVERS, Driver

ASYNC = [driver for driver in DRIVERS if driver.is_async]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=ASYNC, ids=lambda driver: driver.name)
def async_driver(request: pytest.FixtureRequest, function_servers: dict[str, Any]) -> Driver:
    found: Driver = request.param
    found.servers = function_servers
    return found


async def _gone(driver: Driver) -> None:
    """While the loop lives: what is yet to be closed is closed by it."""
    for _ in range(1000):
        if not driver.connections():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{driver.connections()} stay")


def test_a_cancelled_connect_leaves_no_connection(async_driver: Driver) -> None:
    async def body() -> None:
        for rounds in (0, 1, 2, 3, 5, 8, 12, 20):
            database = async_driver.recycled()

            async def use(database: Any = database) -> None:
                async with database.connection():
                    await asyncio.sleep(60)

            task = asyncio.ensure_future(use())
            for _ in range(rounds):
                await asyncio.sleep(0.0004)  # as long as a step of a login
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await _gone(async_driver)
            # The place that it had is free again.
            assert len(database._places) == 10

    asyncio.run(body())


def test_a_cancelled_statement_leaves_no_reply_to_the_next(async_driver: Driver) -> None:
    slow = {"mariadb": "SELECT SLEEP(0.7)", "postgres": "SELECT pg_sleep(0.7)", "redis": "BLPOP nothing 1"}
    database = async_driver.recycled()

    async def body() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                async with database.connection() as connection:
                    await async_driver.ask(connection, slow[async_driver.database])
        async with database.connection() as connection:
            answer = await async_driver.ask(connection, "ECHO 7" if async_driver.database == "redis" else "SELECT 7")
            assert int(answer) == 7
        assert database.stats()["discarded"] == 1

    asyncio.run(body())


@pytest.mark.parametrize("name", ["pymysql", "psycopg", "psycopg2", "pg8000"])
def test_a_signals_error_in_a_statement_leaves_no_reply_to_the_next(
    name: str, function_servers: dict[str, Any]
) -> None:
    driver = _driver(name, function_servers)
    database = driver.recycled()

    def interrupt(*_: object) -> None:
        raise LookupError

    def ask(statement: str) -> Any:
        with database.connection() as connection:
            return driver.run(driver.ask(connection, statement))

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(LookupError):
            ask("SELECT SLEEP(0.5)" if driver.database == "mariadb" else "SELECT pg_sleep(0.5)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [ask("SELECT 7"), ask("SELECT 8")] == [7, 8]
    database.close()


def test_a_stream_that_is_read_half_does_not_hang_the_end_of_its_use(function_servers: dict[str, Any]) -> None:
    """psycopg's stream holds the lock of its connection, and a rollback would wait for it without end."""
    database = _driver("psycopg", function_servers).recycled()
    done = threading.Event()

    def use() -> None:
        with database.connection() as connection:
            stream = connection.cursor().stream("SELECT generate_series(1, 100000)")
            assert next(stream) == (1,)
        done.set()
        del stream  # it was alive until here

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    assert done.wait(10)
    assert database.stats()["discarded"] == 1


def test_a_loop_for_each_request_leaves_no_connection_of_the_last_one(async_driver: Driver) -> None:
    database = async_driver.recycled()

    async def request() -> int:
        async with database.connection() as connection:
            return await async_driver.number(connection)

    async def two() -> None:
        assert await request() == await request()

    for _ in range(3):
        asyncio.run(two())
        eventually(lambda: not async_driver.connections(), 5)
    assert database.stats()["recycled"] == database.stats()["connects"] == 3


def test_a_connection_stays_with_its_loop(async_driver: Driver) -> None:
    database = async_driver.recycled()

    async def request() -> int:
        async with database.connection() as connection:
            return await async_driver.number(connection)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    numbers = [loop.run_until_complete(request()) for loop in (first, second, first, second)]
    assert numbers[0] == numbers[2] != numbers[1] == numbers[3]
    for loop in (first, second):
        loop.close()  # without notice: nothing more can be said on its connections
    assert asyncio.run(request()) not in numbers
    gc.collect()
    eventually(lambda: not async_driver.connections())
    assert len(database._places) == 10


def test_tasks_have_connections_of_their_own_and_their_helpers_have_the_same(async_driver: Driver) -> None:
    database = async_driver.recycled()

    @database
    async def helper(connection: Any) -> int:
        return await async_driver.number(connection)

    @database
    async def handler(connection: Any) -> list[int]:
        outer = await async_driver.number(connection)
        assert await helper() == outer
        # Tasks inherit the context of their maker, but must not share its connection at the same time.
        return [outer, *await asyncio.gather(helper(), helper())]

    async def body() -> None:
        assert len(set(await handler())) == 3
        await database.aclose()

    asyncio.run(body())


_PROGRAM = [sys.executable, "-m", "tests.function.program"]


def _program(driver: Driver, what: str) -> list[str]:
    return [*_PROGRAM, driver.name, driver.server.host, str(driver.server.port), what]


def test_a_child_process_neither_uses_nor_ends_its_parents_connection(function_servers: dict[str, Any]) -> None:
    drivers = [_driver(name, function_servers) for name in ("pymysql", "mysqlclient", "psycopg")]
    program = [argument for driver in drivers for argument in _program(driver, "fork")[3:]]
    done = subprocess.run([*_PROGRAM, *program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert not done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        first, *children, last = map(int, line.split())
        assert first == last
        assert len(children) == 2
        assert first not in children


def test_an_engine_in_a_child_process_leaves_its_parents_connection_alone(function_servers: dict[str, Any]) -> None:
    driver = _driver("mysqlclient", function_servers)
    done = subprocess.run(_program(driver, "engine"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    first, child, last = map(int, done.stdout.split())
    assert first == last != child


def test_sigterm_closes_idle_connections_and_calls_the_handler_before(function_servers: dict[str, Any]) -> None:
    driver = _driver("pymysql", function_servers)
    aborted = driver.server.status("Aborted_clients")
    os.environ["PYTHONPATH"] = str(ROOT)
    with (
        Process(_program(driver, "sigterm"), name="sigterm") as chained,
        Process(_program(driver, "default"), name="default") as plain,
    ):
        for process in (chained, plain):
            process.wait_line(r"^\d+$")
        eventually(lambda: len(driver.connections()) == 2)
        for process in (chained, plain):
            process.signal(signal.SIGTERM)
        chained.wait_line("^1$")
        assert chained.wait() == 0
        assert "the handler before" in chained.log
        assert plain.wait() == -signal.SIGTERM
    eventually(lambda: not driver.connections())
    assert driver.server.status("Aborted_clients") == aborted


def _driver(name: str, servers: dict[str, Any]) -> Driver:
    found = next(driver for driver in DRIVERS if driver.name == name)
    found.servers = servers
    return found


_NUMBER = {"mariadb": "SELECT CONNECTION_ID()", "postgres": "SELECT pg_backend_pid()"}
ENGINES = [
    ("mysql+pymysql", "pymysql"),
    ("mysql+mysqldb", "mysqlclient"),
    ("postgresql+psycopg", "psycopg"),
    ("mysql+asyncmy", "asyncmy"),
    ("postgresql+asyncpg", "asyncpg"),
]


class Engine:
    """A blocking and an asynchronous engine behind one face."""

    def __init__(self, scheme: str, driver: Driver, *, creator: bool = False, **policy: Any) -> None:
        url = f"{scheme}://{APP.user}:{APP.password}@{driver.server.host}:{driver.server.port}/test"
        self.driver = driver
        options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
        if creator:
            options["creator"] = driver.recycled(timeout_s=20).connect
        self.engine: Any = (create_async_engine if driver.is_async else create_engine)(url, **options)
        recycle(self.engine, **policy)
        self.loop = asyncio.new_event_loop()

    def request(self) -> int:
        number = text(_NUMBER[self.driver.database])
        if not self.driver.is_async:
            with self.engine.connect() as connection:
                return int(connection.execute(number).scalar())

        async def ask() -> int:
            async with self.engine.connect() as connection:
                return int((await connection.execute(number)).scalar())

        return self.loop.run_until_complete(ask())

    def close(self) -> None:
        if self.driver.is_async:
            self.loop.run_until_complete(self.engine.dispose())
        else:
            self.engine.dispose()
        self.loop.close()


@pytest.fixture(params=ENGINES, ids=lambda pair: pair[0])
def engine(request: pytest.FixtureRequest, function_servers: dict[str, Any]) -> Any:
    scheme, name = request.param
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        made.append(Engine(scheme, _driver(name, function_servers), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
        eventually(lambda each=each: not each.driver.connections())


def test_an_engines_connection_is_used_again_aged_out_and_asked_after_an_idle_time(
    engine: Callable[..., Engine], later: Callable[[float], None]
) -> None:
    made = engine(ttl_s=180)
    first = made.request()
    later(60)
    assert made.request() == first
    assert made.driver.in_transaction() == 0
    later(121)
    second = made.request()
    assert second != first
    assert made.driver.connections() == [second]
    made.driver.kill(second)
    later(60)
    assert made.request() not in (first, second)


def test_an_engine_per_request_leaves_nothing_on_the_server(engine: Callable[..., Engine]) -> None:
    made = engine(per_request=True)
    for _ in range(2):
        made.request()
        eventually(lambda: not made.driver.connections(), 5)


@pytest.mark.parametrize(
    ("engine", "creator"),
    [(ENGINES[0], False), (ENGINES[2], True), (ENGINES[4], False)],
    ids=["pymysql", "psycopg", "asyncpg"],
    indirect=["engine"],
)
def test_an_engine_waits_for_a_full_database_within_the_deadline(engine: Callable[..., Engine], creator: bool) -> None:
    made = engine(timeout_s=20, creator=creator)
    server = made.driver.server
    with_super = server.connect()
    if made.driver.database == "mariadb":
        server.query("SET GLOBAL max_connections = 10")
    taken = []
    with pytest.raises(Exception):
        while True:
            taken.append(server.connect(APP2))
    try:
        began = time.monotonic()
        with deadline(0.3), pytest.raises(Exception, match=r"Too many connections|too many clients|slots are reserved"):
            made.request()
        assert time.monotonic() - began < 5
        leaving = threading.Timer(0.3, lambda: [connection.close() for connection in taken])
        leaving.start()
        assert made.request()
        leaving.join()
    finally:
        for connection in [*taken, with_super]:
            connection.close() if getattr(connection, "open", True) else None


def test_an_engine_on_another_loop_connects_anew(engine: Callable[..., Engine]) -> None:
    made = engine()
    first = made.request()
    if not made.driver.is_async:
        assert made.request() == first
        return
    last, made.loop = made.loop, asyncio.new_event_loop()
    assert made.request() != first
    last.close()
    gc.collect()  # nothing else ends what a loop left behind


def test_recycled_refuses_a_driver_that_is_to_be_awaited_where_nothing_awaits(function_servers: dict[str, Any]) -> None:
    database = recycled(_driver("asyncpg", function_servers).factory())
    with pytest.raises(TypeError, match="async with"), database.connection():
        pass
