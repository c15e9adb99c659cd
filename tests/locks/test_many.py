"""Waiters cost the store no connections."""

import asyncio
import resource
from collections.abc import Callable
from typing import Any

from .asking import ask, begin
from .place import BUDGET, Place


def test_connections_do_not_grow_with_the_waiters(place: Place, count: Callable[[int, int], int]) -> None:
    waiters = count(600, 10_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    most = 0

    async def talk() -> None:
        nonlocal most
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> Any:
            async with gate:
                port = place.ports[number % 2]
                return await begin(port, f"/v1/locks/many-{number % (waiters // 2)}/wait", {"waiter_id": str(number)})

        asked = await asyncio.gather(*map(one, range(waiters)))
        while await asyncio.to_thread(place.waiting) < waiters:
            most = max(most, await asyncio.to_thread(place.house.connections))
        for _ in range(5):
            most = max(most, await asyncio.to_thread(place.house.connections))

        async def release(number: int) -> None:
            async with gate:
                body = {"payload": number, "release_id": str(number)}
                port = place.ports[(number + 1) % 2]
                assert (await ask(port, f"/v1/locks/many-{number % (waiters // 2)}/release", body))[0] == 200

        releasing = asyncio.gather(*map(release, range(waiters)))
        most = max(most, await asyncio.to_thread(place.house.connections))
        answers = await asyncio.gather(*(waiting.answer() for waiting in asked))
        await releasing
        # A poll may have ended in a long run: what was released is there for its next question.
        assert {status for status, _, _ in answers} <= {200, 202}
        assert sum(status == 200 for status, _, _ in answers) > waiters * 0.9

    asyncio.run(talk())
    assert 0 < most <= 2 * min(BUDGET, 4)
    print(f"{waiters} waiters, {most} connections of two nodes")
