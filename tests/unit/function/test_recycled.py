"""`recycled` without a server: policies, clocks, deadlines, uses inside each other, and what it takes to import."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import outlive.function
from outlive.function import deadline, drivers, life, recycled, waiting


class Connection:
    """A blocking driver's, which counts what is done to it."""

    made: list["Connection"] = []

    def __init__(self) -> None:
        self.log: list[str] = []
        self.closed = False
        Connection.made.append(self)

    def rollback(self) -> None:
        self.log.append("rollback")

    def ping(self) -> None:
        self.log.append("ping")

    def close(self) -> None:
        self.log.append("close")
        self.closed = True


class Clocks:
    """The wall's and the machine's, set by hand."""

    def __init__(self) -> None:
        self.wall, self.boot = 1e9, 100.0

    def __call__(self) -> tuple[float, float]:
        return self.wall, self.boot


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Connection.made.clear()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(life, "now", made)
    return made


def use(database: recycled) -> Connection:
    with database.connection() as connection:
        return connection  # type: ignore[no-any-return]


def test_the_age_is_the_larger_of_both_clocks_differences(clocks: Clocks) -> None:
    since = clocks()
    clocks.wall += 5
    assert life.elapsed_s(since) == 5
    clocks.boot += 7
    assert life.elapsed_s(since) == 7
    clocks.wall -= 100  # set back
    assert life.elapsed_s(since) == 7
    clocks.boot = 3  # a snapshot, restored on another machine
    assert life.elapsed_s(since) == float("inf")


@pytest.mark.parametrize("clock", ["wall", "boot"])
def test_a_connection_is_not_used_after_a_freeze_that_outlasts_its_ttl(clocks: Clocks, clock: str) -> None:
    database = recycled(Connection, ttl_s=180, jitter=0, ping_after_idle_s=None)
    first = use(database)
    setattr(clocks, clock, getattr(clocks, clock) + 179)
    assert use(database) is first
    setattr(clocks, clock, getattr(clocks, clock) + 1)
    assert use(database) is not first
    # In order: closed, and only then replaced.
    assert first.log == ["rollback", "rollback", "close"]


def test_instances_that_started_together_do_not_reconnect_together(clocks: Clocks) -> None:
    policy = life.Policy(ttl_s=180, jitter=0.2)
    drawn = [life.Life(None, policy, None).ttl_s for _ in range(1000)]
    assert all(144 <= ttl <= 180 for ttl in drawn)
    assert len({round(ttl) for ttl in drawn}) >= 30


def test_max_uses_max_idle_and_per_request(clocks: Clocks) -> None:
    twice = recycled(Connection, max_uses=2)
    assert use(twice) is (first := use(twice))
    assert first.closed
    assert use(twice) is not first
    idle = recycled(Connection, max_idle_s=10)
    first = use(idle)
    clocks.boot += 9
    assert use(idle) is first
    clocks.boot += 10
    assert use(idle) is not first
    each = recycled(Connection, per_request=True)
    assert use(each).closed
    assert use(each).log == ["rollback", "close"]


def test_only_a_long_idle_one_is_pinged_and_one_that_does_not_answer_is_replaced(clocks: Clocks) -> None:
    answers = True

    def check(connection: Connection) -> None:
        connection.log.append("asked")
        if not answers:
            raise OSError

    database = recycled(Connection, ping_after_idle_s=30, check=check)
    first = use(database)
    clocks.wall += 29
    assert use(database) is first
    clocks.wall += 30
    assert use(database) is first
    assert first.log.count("asked") == 1
    answers = False
    clocks.wall += 30
    assert use(database) is not first
    assert first.closed
    assert database.stats() == {
        "uses": 4, "connects": 2, "full": 0, "pings": 2, "recycled": 0, "discarded": 1, "repeats": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "policy", [{"ttl_s": -1}, {"jitter": 1.5}, {"max_uses": 0}, {"max_idle_s": float("nan")}, {"jitter": -0.1}]
)
def test_a_policy_that_makes_no_sense_is_refused(policy: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        recycled(Connection, **policy)
    with pytest.raises(TypeError):
        recycled(Connection, ttl=180)


class Refused(Exception):
    pass


def _refusing(times: int, error: Exception) -> Callable[[], Connection]:
    def connect() -> Connection:
        nonlocal times
        times -= 1
        if times >= 0:
            raise error
        return Connection()

    return connect


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which pass at once."""
    made: list[float] = []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + sum(made))
    monkeypatch.setattr(waiting.Blocking.__init__, "__defaults__", (made.append,))
    return made


def test_refusals_are_waited_out_at_random_and_ever_longer(pauses: list[float]) -> None:
    database = recycled(_refusing(12, Refused(1040, "Too many connections")), timeout_s=1000)
    assert use(database).closed is False
    assert len(pauses) == 12
    assert all(pause <= min(2.0, 0.05 * 2**number) for number, pause in enumerate(pauses))
    assert len(set(pauses)) == 12
    assert database.stats()["full"] == 12


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 3000


@pytest.mark.parametrize(
    ("where", "longest_s"),
    [("timeout", 4.0), ("lambda", 2.5), ("within", 1.0), ("deadline", 2.0), ("decorator", 2.5)],
)
def test_it_gives_up_in_time_with_the_drivers_own_error(pauses: list[float], where: str, longest_s: float) -> None:
    error = Refused(1203, "full")
    database = recycled(_refusing(10_000, error), timeout_s=4)

    @database
    def handler(event: object, context: object, connection: Connection) -> None:
        raise AssertionError("it was not called")

    def attempt() -> None:
        if where == "decorator":
            handler({}, Context())
        elif where == "deadline":
            with deadline(2.0), deadline(3.0), database.connection(Context()):
                pass
        else:
            within = {"timeout": None, "lambda": Context(), "within": 1.0}[where]
            with database.connection(within):
                pass

    with pytest.raises(Refused) as caught:
        attempt()
    assert caught.value is error
    assert sum(pauses) == pytest.approx(longest_s)
    assert any("tried for" in note for note in error.__notes__)


def test_a_factory_with_a_parameter_for_it_gets_the_time_that_is_left() -> None:
    given = []

    def connect(timeout_s: float) -> Connection:
        given.append(timeout_s)
        return Connection()

    database = recycled(connect)
    with database.connection(2.0):
        pass
    assert given == [pytest.approx(2.0, abs=0.5)]


def test_no_other_error_of_connecting_is_tried_again() -> None:
    database = recycled(_refusing(1, Refused(1045, "Access denied")))
    with pytest.raises(Refused):
        use(database)
    assert use(database)  # its place was given back


def _error(*arguments: object, **attributes: object) -> Exception:
    error = Exception(*arguments)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    "error",
    [
        _error(1040, "Too many connections"),
        _error(1203, "User app already has more than 'max_user_connections' active connections"),
        _error(1226, "User 'app' has exceeded the 'max_user_connections' resource"),
        _error("...", sqlstate="53300"),
        _error("...", pgcode="53300"),
        _error({"S": "FATAL", "C": "53300", "M": "..."}),
        _error("...", errno=1040),
        _error("connection failed: FATAL:  sorry, too many clients already"),
        _error("FATAL:  remaining connection slots are reserved for non-replication superuser connections"),
        _error('FATAL:  too many connections for role "app"'),
        _error("max number of clients reached"),
    ],
    ids=str,
)
def test_the_refusals_of_full_databases_are_known(error: Exception) -> None:
    assert drivers.is_full(error)


@pytest.mark.parametrize("error", [_error(), _error(1045, "no"), _error([]), _error("x", sqlstate="28P01")], ids=str)
def test_no_other_error_is_taken_for_one(error: Exception) -> None:
    assert not drivers.is_full(error)


def test_a_use_inside_another_has_its_connection_and_the_outermost_ends_it() -> None:
    database = recycled(Connection)

    @database
    def helper(connection: Connection) -> Connection:
        return connection

    with database.connection() as outer:
        assert helper() is outer
        with database.connection() as inner:
            assert inner is outer
        assert outer.log == []
        other: list[Connection] = []
        thread = threading.Thread(target=lambda: other.append(helper()))
        thread.start()
        thread.join()
        assert other != [outer]
    assert outer.log == ["rollback"]
    assert database.stats()["uses"] == 2


def test_the_decorated_function_keeps_its_name_and_takes_a_connection_that_is_given() -> None:
    database = recycled(Connection, argument="db")

    @database
    def handler(event: str, db: Any) -> tuple[str, Any]:
        """What it does."""
        return event, db

    assert handler.__name__ == "handler"
    assert handler.__doc__ == "What it does."
    assert handler("x", db="a fake") == ("x", "a fake")
    assert not Connection.made
    assert handler("x") == ("x", Connection.made[0])


def test_generators_are_told_what_to_do_instead() -> None:
    database = recycled(Connection)

    def rows(connection: Connection) -> Any:
        yield 1

    with pytest.raises(TypeError, match="connection"):
        database(rows)


def test_an_interrupted_use_ends_its_connection_and_an_error_of_the_caller_does_not() -> None:
    database = recycled(Connection)
    for error, kept in ((ValueError, True), (TimeoutError, False), (KeyboardInterrupt, False), (SystemExit, True)):
        with pytest.raises(error), database.connection() as connection:
            raise error
        assert connection.closed is not kept


def test_a_connection_that_cannot_be_rolled_back_is_closed_and_the_callers_error_goes_on() -> None:
    def reset(_: Connection) -> None:
        raise OSError("lost")

    database = recycled(Connection, reset=reset)
    with pytest.raises(ZeroDivisionError), database.connection() as connection:
        raise ZeroDivisionError
    assert connection.closed
    assert use(database).closed
    assert database.stats()["discarded"] == 2


def test_an_idempotent_function_does_not_run_again_for_an_error_of_its_own() -> None:
    database = recycled(Connection)
    runs = []

    @database.idempotent
    def work(connection: Connection) -> None:
        runs.append(connection)
        if len(runs) == 3:
            connection.closed = True
            raise ConnectionResetError
        if len(runs) < 3:
            connection.closed = True
            raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            work()
    work()
    assert len(runs) == 4


def test_metrics_are_told_and_their_errors_cost_nothing() -> None:
    told = []

    def on_event(name: str, seconds: float) -> None:
        told.append(name)
        raise RuntimeError

    use(recycled(Connection, on_event=on_event, per_request=True))
    assert told == ["uses", "connects", "recycled"]


def test_more_uses_than_places_time_out_with_the_reason() -> None:
    database = recycled(Connection, max_size=1, timeout_s=0.05)
    with database.connection():
        errors = []

        def other() -> None:
            try:
                use(database)
            except TimeoutError as error:
                errors.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "max_size" in errors[0]


def test_a_connect_that_hangs_is_cancelled_in_time_and_one_that_comes_late_is_closed() -> None:
    class Late:
        closed = False

        def close(self) -> None:
            self.closed = True

    late = Late()

    async def stubborn() -> Late:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return late  # as a driver may
        raise AssertionError

    database = recycled(stubborn, timeout_s=0.6)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with database.connection():
                pass

    asyncio.run(main())
    assert late.closed
    assert len(database._places) == 10


def test_close_ends_the_idle_ones() -> None:
    database = recycled(Connection)
    connection = use(database)
    database.close()
    assert connection.closed
    assert use(database) is not connection


FOLDER = Path(outlive.function.__file__).parent


def test_it_imports_little_and_nothing_of_outlives_other_rooms() -> None:
    """A cold start pays for it. No time is taken here, which would depend on who else is at work."""
    listing = "import sys; before = set(sys.modules); import outlive.function; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-I", "-c", listing], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    ours = {name for name in loaded if name.startswith("outlive")}
    assert ours <= {"outlive", "outlive.function"} | {f"outlive.function.{file.stem}" for file in FOLDER.glob("*.py")}
    assert "outlive.function.sqlalchemy" not in loaded
    heavy = {"asyncio", "dataclasses", "inspect", "logging", "random", "re", "signal", "socket", "threading", "typing"}
    assert not heavy & loaded
    assert len(loaded - ours) <= 22, sorted(loaded - ours)


def test_its_source_stays_small() -> None:
    locks = {FOLDER / "locks.py", FOLDER / "http.py"}  # loaded by themselves, by those who want them
    assert sum(file.stat().st_size for file in set(FOLDER.glob("*.py")) - locks) < 30 * 1024
    assert sum(file.stat().st_size for file in locks) < 20 * 1024


class _TakenMeanwhile(list[None]):
    """Another thread takes the last place between the look and the grasp."""

    def __len__(self) -> int:
        return 1


def test_two_threads_that_want_the_last_place_wait_for_it() -> None:
    database = recycled(Connection, timeout_s=0)
    database._places = _TakenMeanwhile()
    with pytest.raises(TimeoutError, match="max_size"), database.connection():
        pass


def test_a_pool_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="max_size"):
        recycled(Connection, max_size=0)


def test_a_partial_gets_the_seconds_left() -> None:
    def connect(name: str, timeout_s: float) -> Connection:
        assert 0 < timeout_s <= 7
        return Connection()

    with recycled(partial(connect, "x"), timeout_s=7).connection():
        pass


_IN_A_THREAD = """
import signal, sys, threading
from outlive.function import recycled

class Connection:
    def close(self):
        print("closed", flush=True)

database = recycled(Connection, close_on_sigterm=sys.argv[1] == "yes")

def use():
    with database.connection():
        pass

thread = threading.Thread(target=use)
thread.start()
thread.join()
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
"""


@pytest.mark.parametrize("sigterm", ["yes", "no"])
def test_the_interpreters_end_closes_what_a_thread_used_and_where_sigterm_is_left_alone(sigterm: str) -> None:
    command = [sys.executable, "-c", _IN_A_THREAD, sigterm]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["True", "closed"]
