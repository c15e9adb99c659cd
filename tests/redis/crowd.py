"""`python -m tests.redis.crowd PORT FIRST COUNT SECONDS SEED`: a process full of clients of Redis.

Each asks for words that are nobody else's and checks every answer. At random they make mistakes, wait, move money, end
each other, and die in the middle of whatever it is. Ends with one line of JSON, the counts.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence

from ..clients.members import Action, Died, Gossip, Member, report
from .aio import Aio, Gone, ServerSaid

LOST = ("ERR Outlive: the server closed the connection", "UNBLOCKED")


class RedisMember(Member):
    """With money in two purses, whose sum stays; and a counter that shows whether anything was run twice."""

    error = ServerSaid

    def __init__(self, port: int, number: int, ends_at: float, seed: int, gossip: Gossip) -> None:
        super().__init__(number, ends_at, seed, gossip)
        self.port = port
        self.counted = 0
        self.doubtful = 0

    async def connect(self) -> Aio:
        while True:
            try:
                return await Aio.connect(self.port, self.random.choice((2, 3)))
            except Gone:
                self.counts["refused"] += 1
                await asyncio.sleep(0.05)

    def tolerate(self, client: Aio, error: ServerSaid) -> None:
        """A server connection was killed under it, or another client ended it."""
        if isinstance(error, Gone) or str(error).startswith(LOST):
            self.counts["lost"] += 1
            return
        raise error

    def actions(self) -> Sequence[Action]:
        return (
            self._ask, self._ask, self._ask, self._script, self._pipeline, self._pipeline, self._count, self._count,
            self._move, self._watch, self._block, self._database, self._large, self._name, self._publish, self._end,
            self._die,
        )  # fmt: skip

    def _key(self, what: str) -> str:
        return f"{what}:{self.number}"

    async def _ask(self, client: Aio) -> None:
        word = self.next()
        self.check(await client.ask("SET", self._key("word"), word), b"OK", "SET")
        self.check(await client.ask("GET", self._key("word")), word.encode(), "GET")

    async def _script(self, client: Aio) -> None:
        word = self.next()
        found = await client.ask("EVAL", "return {ARGV[1], {KEYS[1]}, 7}", 1, word, word)
        self.check(found, [word.encode(), [word.encode()], 7], "EVAL")

    async def _pipeline(self, client: Aio) -> None:
        expected: list[object] = []
        for _ in range(self.random.randrange(2, 20)):
            word = self.next()
            answer = word.encode()
            kind = self.random.randrange(8)
            if kind == 0:
                client.send("PING", word)
                expected.append(answer)
            elif kind == 1:
                client.send("INCR", self._key("word"), word)
                expected.append("ERR wrong number of arguments for 'incr' command")
            elif kind == 2:
                for words in (("MULTI",), ("ECHO", word), ("EXEC",)):
                    client.send(*words)
                expected += [b"OK", b"QUEUED", [answer]]
            elif kind == 3:
                client.send("BLPOP", self._key("nothing"), "0.005")
                expected.append(None)
            elif kind == 4:
                client.send("RPUSH", word, word)
                client.send("BLPOP", word, 0)
                expected += [1, [answer, answer]]
            else:
                client.send("EVAL", "return ARGV[1]", 0, word)
                expected.append(answer)
        for answer in expected:
            try:
                found: object = await client.reply()
            except Gone:
                raise
            except ServerSaid as error:
                found = str(error)
                if found != answer:
                    raise
            self.check(found, answer, "pipeline")

    async def _count(self, client: Aio) -> None:
        """Counted is what was answered; of what was not, nobody knows, but it cannot have been run twice."""
        self.doubtful += 1
        found = await client.ask("INCR", self._key("count"))
        self.doubtful -= 1
        self.counted += 1
        self.check(self.counted <= found <= self.counted + self.doubtful, True, f"INCR {found} {self.counted}")
        self.counted, self.doubtful = found, 0

    async def _move(self, client: Aio) -> None:
        amount = self.random.randrange(1, 100)
        await client.ask("MULTI")
        self.check(await client.ask("DECRBY", self._key("left"), amount), b"QUEUED", "MULTI")
        if self.random.random() < 0.2:
            raise Died
        self.check(await client.ask("INCRBY", self._key("right"), amount), b"QUEUED", "MULTI")
        if self.random.random() < 0.2:
            self.check(await client.ask("DISCARD"), b"OK", "DISCARD")
            return
        left, right = await client.ask("EXEC")
        self.check(left + right, 0, "sum")

    async def _watch(self, client: Aio) -> None:
        key, word, spoiled = self._key("watched"), self.next(), self.random.random() < 0.3
        await client.ask("WATCH", key)
        if spoiled:
            await client.ask("SET", key, "other")
        await client.ask("MULTI")
        await client.ask("GET", key)
        await client.ask("SET", key, word)
        found = await client.ask("EXEC")
        self.check(found is None if spoiled else found[1] == b"OK", True, "EXEC")

    async def _block(self, client: Aio) -> None:
        word = key = self.next()
        self.check(await client.ask("BLPOP", key, "0.02"), None, "BLPOP")
        await client.ask("RPUSH", key, word)
        # For as long as it takes: time in the queue counts, and a crowd's is long.
        self.check(await client.ask("BLPOP", key, 0), [key.encode(), word.encode()], "BLPOP")

    async def _database(self, client: Aio) -> None:
        key, word = self._key("there"), self.next()
        await client.ask("SELECT", 1)
        await client.ask("SET", key, word)
        self.check(await client.ask("GET", key), word.encode(), "GET in 1")
        await client.ask("SELECT", 0)
        self.check(await client.ask("GET", key), None, "GET in 0")

    async def _large(self, client: Aio) -> None:
        word = self.next() * 20_000
        await client.ask("SET", self._key("large"), word)
        self.check(await client.ask("GET", self._key("large")) == word.encode(), True, "large")

    async def _name(self, client: Aio) -> None:
        word = self.next()
        await client.ask("CLIENT", "SETNAME", word)
        self.check(await client.ask("CLIENT", "GETNAME"), word.encode(), "CLIENT GETNAME")
        self.check(await client.ask("CLIENT", "ID"), client.number, "CLIENT ID")

    async def _publish(self, client: Aio) -> None:
        """What it says to its own channel it hears itself, once."""
        word = self.next()
        listener = await Aio.connect(self.port, 3)
        try:
            listener.send("SUBSCRIBE", self._key("channel"))
            self.check((await listener.push())[0], b"subscribe", "SUBSCRIBE")
            await client.ask("PUBLISH", self._key("channel"), word)
            self.check(await listener.push(), [b"message", self._key("channel").encode(), word.encode()], "message")
        finally:
            listener.close()

    async def _end(self, client: Aio) -> None:
        """Another one."""
        victim = self.gossip.victim(self.random)
        if victim is not client and self.random.random() < 0.3:
            await client.ask("CLIENT", "KILL", "ID", victim.number)

    async def _die(self, client: Aio) -> bool:
        """Leaves in the middle: of waiting, of a reply, of a command, of a transaction."""
        way = self.random.randrange(5)
        if way == 0:
            client.send("BLPOP", self._key("never"), 0)
        elif way == 1:
            for _ in range(50):
                client.send("GET", self._key("large"))
        elif way == 2:
            client.writer.write(b"*3\r\n$3\r\nSET\r\n$90\r\nhalf a comm")
        elif way == 3:
            for words in (("MULTI",), ("INCRBY", self._key("left"), 5)):
                client.send(*words)
        else:
            client.send("SUBSCRIBE", self._key("channel"))
        await asyncio.sleep(0)
        return False

    async def live(self) -> None:
        """Its life, and the reckoning."""
        await super().live()
        while True:
            client = await self.connect()
            try:
                found = int(await client.ask("GET", self._key("count")) or 0)
                left, right = await client.ask("MGET", self._key("left"), self._key("right"))
                break
            except ServerSaid as error:
                self.tolerate(client, error)
            finally:
                client.close()
        self.check(self.counted <= found <= self.counted + self.doubtful, True, "nothing twice")
        self.check(int(left or 0) + int(right or 0), 0, "sum at the end")


def crowd(port: int, first: int, count: int, seconds: float, seed: int) -> Sequence[Member]:
    ends_at = time.monotonic() + seconds
    gossip = Gossip()
    return [RedisMember(port, number, ends_at, seed, gossip) for number in range(first, first + count)]


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each write to a client that was ended
    port, first, count, seconds, seed = sys.argv[1:]
    report(crowd(int(port), int(first), int(count), float(seconds), int(seed)))
