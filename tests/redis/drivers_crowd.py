"""`python -m tests.redis.drivers_crowd PORT FIRST COUNT SECONDS`: many clients of redis-py (asyncio, RESP3).

Each sets and gets words of its own, runs transactions, and passes elements on: what it pushes to its neighbour's queue
the neighbour takes with BLPOP. Ends with one line of JSON: counts, failures, and what was pushed and taken.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from redis.asyncio import Redis


class Visitor:
    """One client on one connection."""

    def __init__(self, port: int, number: int, among: range, ends_at: float) -> None:
        self.client: Any = Redis(port=port, protocol=3, single_connection_client=True, decode_responses=True)
        self.number = number
        self.neighbour = among[(number - among[0] + 1) % len(among)]
        self.ends_at = ends_at
        self.counts: Counter[str] = Counter()
        self.pushed: list[str] = []
        self.taken: list[str] = []
        self.random = random.Random(number)
        self.words = 0

    def next(self) -> str:
        self.words += 1
        return f"visitor{self.number}word{self.words}"

    async def live(self) -> None:
        async with self.client:
            actions = (self.word, self.word, self.transaction, self.pipeline, self.push, self.take, self.take)
            while time.monotonic() < self.ends_at:
                action = self.random.choice(actions)
                await action()
                self.counts[action.__name__] += 1
                await asyncio.sleep(self.random.random() * 0.2)

    async def word(self) -> None:
        word = self.next()
        assert await self.client.set(f"word:{self.number}", word) is True
        assert await self.client.get(f"word:{self.number}") == word

    async def transaction(self) -> None:
        word, key = self.next(), f"sum:{self.number}"
        async with self.client.pipeline(transaction=True) as pipeline:
            if self.random.random() < 0.5:
                await pipeline.watch(key)
                pipeline.multi()
            pipeline.echo(word)
            pipeline.incr(key)
            pipeline.decr(key)
            assert await pipeline.execute() == [word, 1, 0]

    async def pipeline(self) -> None:
        words = [self.next() for _ in range(10)]
        async with self.client.pipeline(transaction=False) as pipeline:
            for word in words:
                pipeline.eval("return ARGV[1]", 0, word)
            assert await pipeline.execute() == words

    async def push(self) -> None:
        word = self.next()
        await self.client.rpush(f"queue:{self.neighbour}", word)
        self.pushed.append(f"{self.neighbour} {word}")

    async def take(self) -> None:
        """Of its own queue only."""
        found = await self.client.blpop(f"queue:{self.number}", timeout=0.3)
        if found:
            assert found[0] == f"queue:{self.number}"
            self.taken.append(f"{self.number} {found[1]}")


async def main(port: int, first: int, count: int, seconds: float) -> dict[str, Any]:
    among = range(first, first + count)
    ends_at = time.monotonic() + seconds
    visitors = [Visitor(port, number, among, ends_at) for number in among]
    ends = await asyncio.gather(*(visitor.live() for visitor in visitors), return_exceptions=True)
    return {
        "failures": [repr(end) for end in ends if end is not None][:20],
        "counts": sum((visitor.counts for visitor in visitors), Counter()),
        "pushed": [word for visitor in visitors for word in visitor.pushed],
        "taken": [word for visitor in visitors for word in visitor.taken],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))
