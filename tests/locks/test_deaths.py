"""No release is lost, whoever dies: waiters before, during and after their grant, nodes, and the store itself."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from .asking import ask, begin, insist, waited
from .place import Place


def test_a_waiter_killed_at_a_random_moment_loses_no_release(place: Place, count: Callable[[int, int], int]) -> None:
    rounds = count(40, 1000)
    chance = random.Random(20_26)
    moments: Counter[str] = Counter()

    async def one(number: int) -> None:
        key = f"killed-{number}"
        victims_at, lives_at = chance.choice(place.ports), chance.sample(place.ports, 2)
        victim = await begin(victims_at, f"/v1/locks/{key}/wait", {"waiter_id": "victim", "timeout_ms": 5000})
        await asyncio.sleep(chance.uniform(0, 0.02))
        living = asyncio.ensure_future(waited(lives_at, key, "living", timeout_ms=1000))
        await asyncio.sleep(chance.uniform(0, 0.02))
        lives_s = chance.uniform(0, chance.choice((0.02, 0.1, 0.4)))
        dies = asyncio.ensure_future(die(victim, lives_s, reset=chance.random() < 0.5))
        await asyncio.sleep(chance.uniform(0, 0.02))
        body = {"release_id": "r", "payload": number}
        if chance.random() < 0.3:
            lost = await begin(chance.choice(place.ports), f"/v1/locks/{key}/release", body)
            lost.kill()
        await insist(lives_at, f"/v1/locks/{key}/release", body)
        moments[await dies] += 1
        found = await asyncio.wait_for(living, 30)
        assert found["payload"] == number
        status, acked = await insist(lives_at, f"/v1/locks/{key}/ack", {"grant_id": found["grant_id"]})
        assert (status, acked["status"]) in ((200, "acked"), (200, "duplicate"))
        # It is consumed: nobody gets it again.
        _, again = await insist(lives_at, f"/v1/locks/{key}/wait", {"waiter_id": "late", "timeout_ms": 0})
        assert again["status"] == "pending"

    async def die(victim: Any, after_s: float, *, reset: bool) -> str:
        """When: with its answer read in whole, with it on its way, or before any of it had come."""
        arriving = asyncio.ensure_future(victim.reader.read(1 << 16))
        await asyncio.wait({arriving}, timeout=after_s)
        moment = "after" if arriving.done() and arriving.result() else "before"
        arriving.cancel()
        victim.kill(reset=reset)
        return moment

    async def talk() -> None:
        for first in range(0, rounds, 40):
            await asyncio.gather(*(one(number) for number in range(first, min(rounds, first + 40))))

    asyncio.run(talk())
    assert sum(moments.values()) == rounds
    assert moments["before"]
    assert moments["after"]


class Traffic:
    """Releases and waiters on some locks, without a pause, from a thread of its own; each at whichever node answers."""

    KEYS = 6

    def __init__(self, place: Place) -> None:
        self.place = place
        self.released = 0
        self.acked: list[int] = []
        self.delivered: Counter[int] = Counter()
        self._enough = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._talk())
        except BaseException as error:
            self._failure = error

    async def _talk(self) -> None:
        release = asyncio.ensure_future(self._release())
        workers = [asyncio.ensure_future(self._work(number)) for number in range(self.KEYS)]
        await asyncio.wait({release, *workers}, return_when=asyncio.FIRST_EXCEPTION)
        await asyncio.gather(release, *workers)

    async def _release(self) -> None:
        ports = self.place.ports
        while not self._enough.is_set():
            number = self.released
            key = f"traffic-{number % self.KEYS}"
            body = {"release_id": f"r{number}", "payload": number}
            status, _ = await insist(ports[:: 1 if number % 2 else -1], f"/v1/locks/{key}/release", body)
            assert status == 200
            self.released += 1
            await asyncio.sleep(0.005)

    async def _work(self, number: int) -> None:
        key, ports = f"traffic-{number}", self.place.ports[:: 1 if number % 2 else -1]
        while not (self._enough.is_set() and len(self.acked) >= self.released):
            try:
                async with asyncio.timeout(1):
                    found = await waited(ports, key, f"w{number}", timeout_ms=300)
            except TimeoutError:
                continue  # its socket is closed, at any moment of its question
            self.delivered[found["payload"]] += 1
            status, _ = await insist(ports, f"/v1/locks/{key}/ack", {"grant_id": found["grant_id"]})
            if status == 200:
                self.acked.append(found["payload"])
            else:
                assert status == 409  # too late: it is delivered again

    def wait_for(self, more: int) -> None:
        """Until so many more were consumed."""
        until = len(self.acked) + more
        while len(self.acked) < until:
            assert self._thread.is_alive(), self._failure
            self._thread.join(0.01)

    def end(self) -> None:
        """Until all that was released is consumed."""
        self._enough.set()
        self._thread.join(120)
        assert not self._thread.is_alive()
        assert self._failure is None, self._failure


async def _killed_with_a_waiter_without_an_id(place: Place, number: int) -> None:
    """The node that is killed has consumed nothing for who waits at it."""
    other = [place.ports[1 - number]]
    path = f"/v1/locks/anonymous-{place.nodes[number].pid}"
    asked = await begin(place.ports[number], f"{path}/wait")
    while (await ask(other[0], path, method="GET"))[1]["depth"] == 0:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(place.nodes[number].kill)
    asked.writer.close()
    await insist(other, f"{path}/release", {"release_id": "r", "payload": number})
    found = await waited(other, path.rpartition("/")[2], "living")
    assert found["payload"] == number


def test_nodes_and_the_store_end_and_nothing_is_lost(place: Place, count: Callable[[int, int], int]) -> None:
    traffic = Traffic(place)
    try:
        for turn in range(count(1, 10)):
            traffic.wait_for(20)
            asyncio.run(_killed_with_a_waiter_without_an_id(place, turn % 2))
            traffic.wait_for(20)
            place.again(turn % 2)
            place.house.restart()
            traffic.wait_for(20)
            for number in range(count(0, 2)):  # a rolling restart; in short the test below is one
                assert place.nodes[1 - number].stop() == 0
                traffic.wait_for(20)
                place.again(1 - number)
    finally:
        traffic.end()
    # Each was consumed; once by those who were told that they did.
    assert sorted(traffic.acked) == list(range(traffic.released))
    assert set(traffic.delivered) == set(range(traffic.released))


def test_a_node_that_stops_answers_all_its_waiters_who_keep_their_places(place: Place, eventually: Any) -> None:
    async def talk() -> None:
        before = place.waiting()
        path = "/v1/locks/stopping/wait"
        asked = [await begin(place.ports[0], path, {"waiter_id": f"w{number}"}) for number in range(20)]
        await asyncio.to_thread(eventually, lambda: place.waiting() == before + 20)
        stopped = asyncio.ensure_future(asyncio.to_thread(place.nodes[0].stop))
        answers = await asyncio.gather(*(waiting.answer() for waiting in asked))
        assert await stopped == 0
        assert all(status == 202 and headers["connection"] == "close" for status, headers, _ in answers)
        places = {found["position"]: number for number, (_, _, found) in enumerate(answers)}
        assert sorted(places) == list(range(1, 21))
        first = places[1]
        await insist(place.ports[1:], "/v1/locks/stopping/release", {"release_id": "r"})
        others = [waited(place.ports[1:], "stopping", f"w{number}") for number in range(20)]
        done, rest = await asyncio.wait(map(asyncio.ensure_future, others), return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        assert len(done) == 1
        standing = await insist(place.ports[1:], "/v1/locks/stopping/wait", {"waiter_id": f"w{first}"})
        assert standing[1]["grant_id"] == done.pop().result()["grant_id"]

    asyncio.run(talk())
    place.again(0)
