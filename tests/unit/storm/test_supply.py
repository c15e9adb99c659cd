"""How functions come to their connections, with a driver that only counts."""

import asyncio
from dataclasses import replace

from outlive.storm.policy import POLICIES
from outlive.storm.protocol import Connection
from outlive.storm.supply import OfFunction, OfPool, OfRequest, supply_of


class Fake:
    """A connection; `made` are all."""

    made: list["Fake"]

    def __init__(self) -> None:
        self.closed = self.ended = False

    async def close(self) -> None:
        self.closed = True


class Database:
    def __init__(self) -> None:
        self.made: list[Fake] = []

    async def connect(self) -> Connection:
        self.made.append(Fake())
        return self.made[-1]  # type: ignore[return-value]

    @property
    def open(self) -> int:
        return sum(not connection.closed for connection in self.made)


def test_each_instance_keeps_its_own_and_loses_it_when_it_fails() -> None:
    async def scenario() -> None:
        database = Database()
        supply = OfFunction(database.connect)
        first = await supply.lend(1)
        supply.back(1, first, sound=True)
        assert await supply.lend(1) is first
        assert await supply.lend(2) is not first
        supply.back(1, first, sound=False)
        assert await supply.lend(1) is not first
        await asyncio.sleep(0)
        assert [connection.closed for connection in database.made] == [True, False, False]
        await supply.close()
        assert database.open == 0

    asyncio.run(scenario())


def test_a_connection_that_the_other_end_has_closed_is_not_lent() -> None:
    async def scenario() -> None:
        database = Database()
        supply = OfFunction(database.connect)
        supply.back(1, await supply.lend(1), sound=True)
        database.made[0].ended = True
        assert await supply.lend(1) is database.made[1]
        assert database.open == 1

    asyncio.run(scenario())


def test_a_ttl_closes_before_it_opens_anew() -> None:
    async def scenario() -> None:
        database = Database()
        supply = OfFunction(database.connect, ttl_s=0.0)
        await supply.lend(1)
        await supply.lend(1)
        assert [connection.closed for connection in database.made] == [True, False]

    asyncio.run(scenario())


def test_a_request_of_its_own_is_closed_after_it() -> None:
    async def scenario() -> None:
        database = Database()
        supply = OfRequest(database.connect)
        supply.back(1, await supply.lend(1), sound=True)
        await supply.close()
        assert len(database.made) == 1
        assert database.open == 0

    asyncio.run(scenario())


def test_a_pool_has_so_many_and_the_others_wait() -> None:
    async def scenario() -> None:
        database = Database()
        supply = OfPool(database.connect, 2)
        first, _ = await supply.lend(1), await supply.lend(2)
        third = asyncio.ensure_future(supply.lend(3))
        await asyncio.sleep(0)
        assert not third.done()
        supply.back(1, first, sound=True)
        assert await third is first
        assert len(database.made) == 2

    asyncio.run(scenario())


def test_the_policy_says_which() -> None:
    async def scenario() -> list[type[object]]:
        names = ("persistent", "per-request", "ttl", "container", "proxy")
        return [type(supply_of(POLICIES[name], Database().connect)) for name in names]

    assert asyncio.run(scenario()) == [OfFunction, OfRequest, OfFunction, OfPool, OfFunction]
    assert replace(POLICIES["ttl"]).ttl_s == 180
