"""Cancels at random delays on a pool of one: whoever is cancelled asked for it, and no bystander ever is."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outlive.wire.postgres import messages as say

from ...raw.postgres_aio import Raw, ServerSaid, execution
from ...servers import OutliveProcess, PostgresServer

CANCELED = ("57014", "canceling statement due to user request")
VICTIMS = 4
"""Victims at work at the same time."""
BYSTANDERS = 3

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def single(pg: PostgresServer) -> Iterator[OutliveProcess]:
    pg.query("CREATE TABLE cancels (n int)")
    pg.query("GRANT ALL ON cancels TO PUBLIC")
    with OutliveProcess(
        pg.url(max_connections=1, acquire_timeout_s=60, pin_idle_timeout_s=5, transaction_idle_timeout_s=5)
    ) as node:
        yield node
        print(node.log[-5000:])


class Rounds:
    """`left` of them, which the victims share out among themselves."""

    def __init__(self, port: int, rounds: int, seed: int) -> None:
        self.port = port
        self.left = rounds
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        bystanders = [asyncio.create_task(self._stand_by(number)) for number in range(BYSTANDERS)]
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(VICTIMS):
                    group.create_task(self._suffer(number))
        finally:
            self.left = 0
            results = await asyncio.gather(*bystanders, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _stand_by(self, number: int) -> None:
        """Short statements without end: one that is cancelled fails the test, and so does a wrong answer."""
        client = await Raw.connect("127.0.0.1", self.port)
        turn = 0
        while self.left > 0:
            turn += 1
            word = f"bystander {number} {turn}"
            if turn % 3 == 0:
                reply = await client.execute("SELECT $1::text", word)
            elif turn % 3 == 1:
                reply = await client.query(f"SELECT '{word}'")
            else:
                await client.query("BEGIN")
                reply = await client.query(f"SELECT '{word}'")
                await client.query("COMMIT")
            assert reply.rows == [[(word,)]], (reply, word)
            self.counts["bystander"] += 1
        client.close(politely=True)

    async def _suffer(self, number: int) -> None:
        client: Raw | None = None
        while self.left > 0:
            self.left -= 1
            client = client or await Raw.connect("127.0.0.1", self.port)
            if not await self._round(client, number):
                client = None
        if client is not None:
            client.close(politely=True)

    async def _round(self, client: Raw, number: int) -> bool:
        """Sends a unit, and a cancel at a random time before or after its end. False where the client went away."""
        kind, unit, expected = self._unit(f"victim {number} {self.left}")
        client.send(unit)
        cancels = [self._cancel(client) for _ in range(self.random.choice((1, 1, 1, 2)))]
        gone = self.random.random() < 0.03
        if gone:  # dies with its cancel on the way
            await asyncio.sleep(self.random.random() * 0.004)
            client.abort()
            await asyncio.gather(*cancels, return_exceptions=True)
            self.counts["gone"] += 1
            return False
        reply, *_ = await asyncio.gather(client.reply(), *cancels)
        if reply.error is None:
            assert reply.rows == expected, (kind, reply, expected)
            self.counts["missed"] += 1
        else:
            assert reply.error == CANCELED, (kind, reply)
            self.counts["cancelled"] += 1
        # Inside its transaction a cancel that came late may meet the victim's own next statement, as with the server.
        while reply.status != "I":
            client.send(say.query(b"ROLLBACK"))
            reply = await client.reply()
            assert reply.error in (None, CANCELED), (kind, reply)
            self.counts["late"] += reply.error is not None
        return True

    def _unit(self, word: str) -> tuple[str, bytes, Any]:
        kind = self.random.choice(
            ("quick", "sleep", "sleep", "extended", "prepared", "transaction", "write", "temporary")
        )
        sleep = f"pg_sleep({self.random.random() * 0.004:.4f})"
        if kind == "quick":
            return kind, say.query(f"SELECT '{word}'".encode()), [[(word,)]]
        if kind == "sleep":
            return kind, say.query(f"SELECT '{word}' FROM {sleep}".encode()), [[(word,)]]
        if kind == "extended":
            text = f"SELECT $1::text FROM {sleep}".encode()
            return kind, b"".join([say.parse(b"", text), *execution("", [word])]), [[(word,)]]
        if kind == "prepared":
            text = b"SELECT $1::text FROM pg_sleep(0.002)"
            name = word.encode()
            closing = say.close(ord("S"), name)
            return (
                kind,
                b"".join([say.parse(name, text), *execution(word, [word], sync=False), closing, say.SYNC]),
                [[(word,)]],
            )
        if kind == "transaction":
            return kind, say.query(f"BEGIN; SELECT '{word}' FROM {sleep}".encode()), [[(word,)]]
        if kind == "write":
            return (
                kind,
                say.query(f"INSERT INTO cancels SELECT 1 FROM {sleep} RETURNING '{word}'".encode()),
                [[(word,)]],
            )
        text = f"CREATE TEMP TABLE t (a int); SELECT '{word}' FROM {sleep}; DROP TABLE t"
        return kind, say.query(text.encode()), [[(word,)]]

    async def _cancel(self, client: Raw) -> None:
        await asyncio.sleep(self.random.choice((0.0, self.random.random() * 0.002, self.random.random() * 0.008)))
        with contextlib.suppress(ConnectionError):
            await client.cancel()
        self.counts["cancels"] += 1


def test_no_bystander_is_cancelled(single: OutliveProcess, count: Callable[[int, int], int]) -> None:
    rounds = Rounds(single.pg_port, count(700, 10_000), count(7, random.randrange(1 << 30)))
    try:
        asyncio.run(rounds.run())
    except* ServerSaid as failures:
        raise AssertionError(f"{failures.exceptions} after {dict(rounds.counts)}") from failures
    print(dict(rounds.counts))
    assert rounds.counts["cancelled"] > 50
    assert rounds.counts["missed"] > 50
    assert rounds.counts["bystander"] > 50
