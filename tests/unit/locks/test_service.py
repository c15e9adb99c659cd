"""A node's part, over a store in memory: who is told what, and what is sent again when the store fails."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from outlive.locks import service as room
from outlive.locks.model import apply
from outlive.locks.service import Granted, Service
from outlive.locks.state import US, Applied, Limits, Lock, Look, Signal, Wait
from outlive.locks.store import Batch, StoreFailure
from outlive.observe.metrics import Metrics


class Memory:
    """A store with a model and no server. `failures` are raised by the next steps, before or after they were done."""

    batches = 2
    batch_keys = 3
    node = "here"

    def __init__(self) -> None:
        self.locks: dict[str, Lock] = {}
        self.versions: dict[str, int] = {}
        self.failures: list[StoreFailure] = []
        self.batches_seen: list[int] = []
        self.closed = False
        self.news: list[str] = []
        self.woken: Callable[[str], None] = lambda key: None

    async def apply(self, batch: Batch, node: str = "here") -> dict[str, Applied]:
        await asyncio.sleep(0)
        self.batches_seen.append(sum(map(len, batch.values())))
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and not failure.ran:
            raise failure
        found = {}
        for key, steps in batch.items():
            lock = self.locks.setdefault(key, Lock())
            now = int(asyncio.get_running_loop().time() * US)
            found[key] = apply(lock, now, steps, node, Limits())
            found[key].version = self.versions[key] = self.versions.get(key, 0) + 1
        if failure is not None:
            raise failure
        return found

    async def listen(self) -> None:
        for key in self.news:
            self.woken(key)
        self.news.clear()

    async def changed(self, known: Mapping[str, int]) -> list[str]:
        return [key for key, version in known.items() if self.versions.get(key, 0) != version]

    async def forget(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def run(talk: Callable[[Service, Memory], Coroutine[Any, Any, None]], *, recheck_s: float = 60) -> None:
    async def main() -> None:
        store = Memory()
        drains = False
        service = Service(store, Metrics(), wake_s=0.005, recheck_s=recheck_s, is_draining=lambda: drains)
        async with asyncio.timeout(20):
            await talk(service, store)
        drains = True
        while not store.closed:
            await asyncio.sleep(0.01)

    asyncio.run(main())


def wait(waiter: str = "w", seconds: float = 10, *, auto: bool = False) -> Wait:
    return Wait(waiter, "signal", int(seconds * US), US, "here", "s", auto)


def signal(id: str = "r", payload: str = "1") -> Signal:
    return Signal(id, payload, 60 * US, "s")


def test_a_waiter_is_told_of_its_grant() -> None:
    async def talk(service: Service, store: Memory) -> None:
        found = service.wait("k", wait(), anonymous=False)
        assert (await service.perform("k", signal())).status == "released"
        told = await found.answer
        assert isinstance(told, Granted)
        assert told.grant.release.payload == "1"
        assert service.count == 0

    run(talk)


def test_steps_of_one_turn_go_together() -> None:
    async def talk(service: Service, store: Memory) -> None:
        await asyncio.gather(*(service.perform("k", signal(str(at))) for at in range(50)))
        assert sum(store.batches_seen) == 50
        assert len(store.batches_seen) == 1
        await asyncio.gather(*(service.perform(f"k{at}", signal()) for at in range(9)))
        assert store.batches_seen[1:] == [3, 3, 3]

    run(talk)


def test_what_fails_is_sent_again_and_counts_once() -> None:
    async def talk(service: Service, store: Memory) -> None:
        store.failures = [StoreFailure("away", ran=False), StoreFailure("lost", ran=True)]
        room._AGAIN_S, before = 0.01, room._AGAIN_S  # type: ignore[misc]
        outcome = await service.perform("k", signal())
        room._AGAIN_S = before  # type: ignore[misc]
        assert outcome.status == "duplicate"
        assert len(store.locks["k"].pending) == 1

    run(talk)


def test_a_store_that_stays_away_is_told_and_whether_it_may_have_run() -> None:
    async def talk(service: Service, store: Memory) -> None:
        room._PATIENCE_S, before = 0.0, room._PATIENCE_S  # type: ignore[misc]
        try:
            for ran in (False, True):
                store.failures = [StoreFailure("away", ran=ran)]
                with pytest.raises(StoreFailure) as told_so:
                    await service.perform("k", signal(str(ran)))
                assert told_so.value.ran == ran
            store.failures = [StoreFailure("away", ran=False)]
            told = await service.wait("k2", wait(), anonymous=False).answer
            assert isinstance(told, StoreFailure)
            assert service.count == 0
        finally:
            room._PATIENCE_S = before  # type: ignore[misc]

    run(talk)


def test_time_that_is_up() -> None:
    async def talk(service: Service, store: Memory) -> None:
        known = service.wait("k", wait("a", 0), anonymous=False)
        unknown = service.wait("k", wait("b", 0, auto=True), anonymous=True)
        assert await known.answer is None
        assert known.position == 1
        assert await unknown.answer is None
        assert [waiter.id for waiter in store.locks["k"].waiters] == ["a"]  # its place is kept
        await service.perform("full", signal())
        assert isinstance(await service.wait("full", wait("c", 0), anonymous=False).answer, Granted)

    run(talk)


def test_a_caller_that_is_gone_takes_nothing_with_it() -> None:
    async def talk(service: Service, store: Memory) -> None:
        await service.perform("k", signal())
        found = service.wait("k", wait(auto=True), anonymous=True)
        await found.answer
        service.gone(found)
        await service.perform("k", Look("s"))
        assert [release.payload for release in store.locks["k"].pending] == ["1"]

    run(talk)


def test_asking_again_answers_the_first_question() -> None:
    async def talk(service: Service, store: Memory) -> None:
        first = service.wait("k", wait(), anonymous=False)
        second = service.wait("k", wait(), anonymous=False)
        assert await first.answer is None
        service.gone(first)  # its socket ends later: the place is the second's
        await service.perform("k", signal())
        assert isinstance(await second.answer, Granted)

    run(talk)


def test_what_another_node_did_is_heard_of_and_found_without_a_hint() -> None:
    async def talk(service: Service, store: Memory) -> None:
        for hint in (True, False):
            found = service.wait("k", wait(str(hint)), anonymous=False)
            while found.position < 0:
                await asyncio.sleep(0)
            await store.apply({"k": [signal(f"r{hint}")]}, "there")
            if hint:
                store.news.append("k")
            assert isinstance(await found.answer, Granted)

    run(talk, recheck_s=0.05)


def test_a_store_without_its_memory_gets_the_queue_back() -> None:
    async def talk(service: Service, store: Memory) -> None:
        found = [service.wait("k", wait(name), anonymous=False) for name in "ab"]
        while found[1].position < 0:
            await asyncio.sleep(0)
        await service.perform("k", Look("s"))
        store.locks.clear()
        store.versions.clear()
        while [waiter.id for waiter in store.locks.get("k", Lock()).waiters] != ["a", "b"]:
            await asyncio.sleep(0.01)

    run(talk, recheck_s=0.05)


def test_a_drain_answers_everybody() -> None:
    async def main() -> None:
        store = Memory()
        drains: list[bool] = []
        service = Service(store, Metrics(), wake_s=0.005, recheck_s=60, is_draining=lambda: bool(drains))
        found = [service.wait("k", wait(str(at)), anonymous=at > 3) for at in range(6)]
        drains.append(True)
        assert await asyncio.gather(*(waiting.answer for waiting in found)) == [None] * 6
        assert store.closed
        assert service.count == 0

    asyncio.run(main())
