"""`outlive.function.locks`, without an event loop and on one, before a node that goes and comes."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from outlive.function.locks import AsyncLocks, LockError, LockLost, Locks, LockTimeout
from tests.gateway.caller import KEY

from .place import ORDERS_KEY, Place


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    found = Place("redis", nodes=1)
    yield found
    found.close()


@pytest.fixture
def url(place: Place) -> str:
    return f"http://127.0.0.1:{place.ports[0]}/"


def test_signals(url: str) -> None:
    locks = Locks(url, KEY)
    locks.release("client", {"a": [1, 2]})
    with locks.wait("client", 5) as signal:
        assert signal.payload == {"a": [1, 2]}
        signal.renew(20)
        assert 19 < signal.left_s <= 20
    with pytest.raises(LockTimeout), locks.wait("client", 0.1):
        pass
    locks.close()


def test_what_is_not_done_is_given_again(url: str) -> None:
    locks = Locks(url, KEY)
    locks.release("undone", 7)
    with pytest.raises(ZeroDivisionError), locks.wait("undone", 5):
        raise ZeroDivisionError
    with locks.wait("undone", 10) as signal:
        assert signal.payload == 7
    locks.close()


def test_one_who_is_too_slow_is_told(url: str) -> None:
    locks, others = Locks(url, KEY), Locks(url, KEY)
    locks.release("slow", 1)
    with pytest.raises(LockLost), locks.wait("slow", 5), others.wait("slow", 10) as signal:
        assert signal.payload == 1
    with pytest.raises(LockLost), locks.held("slower", lease_s=0.2), others.held("slower", timeout_s=10):
        pass


def test_mutexes(url: str) -> None:
    fences: list[int] = []
    inside = threading.Lock()

    def work() -> None:
        locks = Locks(url, KEY)
        for _ in range(5):
            with locks.held("mutex", lease_s=10) as held:
                assert inside.acquire(blocking=False)
                held.renew()
                fences.append(held.fence)
                inside.release()
        locks.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fences) == 20
    assert fences == sorted(set(fences))


def test_refusals(url: str) -> None:
    with pytest.raises(LockError) as refused:
        Locks(url, ORDERS_KEY).release("not-an-order")
    assert refused.value.code == "forbidden"
    with pytest.raises(ValueError):
        Locks("ftp://127.0.0.1", KEY)


def test_a_node_that_goes_and_comes(url: str, place: Place) -> None:
    async def talk() -> None:
        locks = AsyncLocks(url, KEY)

        async def wait(number: int) -> int:
            async with locks.wait(f"goes-{number}", 60) as signal:
                return int(signal.payload)

        waiting = [asyncio.ensure_future(wait(number)) for number in range(5)]
        while place.waiting() < 5:
            await asyncio.sleep(0.01)
        place.nodes[0].kill()
        releasing = [asyncio.ensure_future(locks.release(f"goes-{number}", number)) for number in range(5)]
        await asyncio.to_thread(place.again, 0)
        assert await asyncio.gather(*waiting) == list(range(5))
        await asyncio.gather(*releasing)
        async with locks.held("goes", lease_s=5) as held:
            await held.renew(9)
            assert held.left_s > 8
        with pytest.raises(LockTimeout):
            async with locks.wait("goes-0", 0.1):
                pass

    asyncio.run(talk())
