"""Clients by the hundred in one process, of whatever protocol: each lives, works, checks every answer, dies, comes again."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar


class WrongAnswer(Exception):
    """Somebody else's."""


class Died(Exception):
    """It leaves in the middle of its transaction."""


class Gossip:
    """What the members of one process know of each other: whose connection is there, who sleeps, whose statement was
    to end.
    """

    def __init__(self) -> None:
        self.present: list[Any] = []
        self.sleeping: list[Any] = []
        self.targets: set[Any] = set()

    def victim(self, random: random.Random) -> Any:
        """Anybody, sleepers by preference; from now on its errors are excused."""
        found = random.choice(self.sleeping if self.sleeping and random.random() < 0.8 else self.present)
        self.targets.add(found)
        return found


Action = Callable[[Any], Awaitable[bool | None]]


class Member:
    """One client's life. A protocol adds how it connects, what it does, and which errors are its own fault."""

    error: ClassVar[type[Exception]]
    """What a server's refusal is raised as."""

    def __init__(self, number: int, ends_at: float, seed: int, gossip: Gossip) -> None:
        self.number = number
        self.ends_at = ends_at
        self.random = random.Random(f"{seed} {number}")
        self.gossip = gossip
        self.counts: Counter[str] = Counter()
        self.queries = 0

    async def connect(self) -> Any:
        """A connection in its first state, and what it should be."""
        raise NotImplementedError

    def actions(self) -> Sequence[Action]:
        """What it does, each as often as it stands here. One that answers False was its end."""
        raise NotImplementedError

    def tolerate(self, client: Any, error: Any) -> None:
        """Raises the error again unless it may come to this client."""
        raise NotImplementedError

    async def live(self) -> None:
        while time.monotonic() < self.ends_at:
            client = await self.connect()
            self.counts["connected"] += 1
            self.gossip.present.append(client)
            try:
                while time.monotonic() < self.ends_at and await self._act(client):
                    await asyncio.sleep(self.random.random() * 0.3)
            except self.error as error:
                self.tolerate(client, error)
            except Died:
                self.counts["died in a transaction"] += 1
            finally:
                self.gossip.present.remove(client)
                self.gossip.targets.discard(client)
                client.abort() if self.random.random() < 0.5 else client.close()

    async def _act(self, client: Any) -> bool:
        action = self.random.choice(self.actions())
        alive = await action(client)
        self.counts[getattr(action, "__name__", "")] += 1
        return alive is not False

    def check(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            raise WrongAnswer(f"client {self.number}, {what}: {found!r} where {expected!r} is right")

    def next(self) -> str:
        """A word that nobody else asks for."""
        self.queries += 1
        return f"client{self.number}query{self.queries}"


async def _all(members: Sequence[Member]) -> Counter[str]:
    async with asyncio.TaskGroup() as group:
        for member in members:
            group.create_task(member.live())
    return sum((member.counts for member in members), Counter())


def report(members: Sequence[Member]) -> None:
    """Runs them to their end, and prints one line of JSON: the counts, or the failures."""
    try:
        counts = asyncio.run(_all(members))
    except ExceptionGroup as failures:
        print(json.dumps({"failures": [repr(failure) for failure in failures.exceptions][:20]}))
    else:
        print(json.dumps(counts))
