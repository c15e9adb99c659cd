"""`python -m tests.clients.crowd PORT FIRST COUNT SECONDS SEED MARIADB`: a process full of clients.

Each checks every answer of its own. At random they make mistakes, run into timeouts, pipeline, are interrupted by each
other, and die. Ends with one line of JSON, the counts.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter

from .raw import PING, QUERY, Raw, ServerSaid

INTERRUPTED = 1317
TIMED_OUT = (1969, 3024)


class WrongAnswer(Exception):
    """Somebody else's."""


class Died(Exception):
    """It leaves in the middle of its transaction."""


class Gossip:
    """What the members of one process know of each other: who is there, who sleeps, whose statement was to end."""

    def __init__(self) -> None:
        self.present: list[int] = []
        self.sleeping: list[int] = []
        self.targets: set[int] = set()


class Member:
    """One client's life: it connects, works, dies, and comes again."""

    def __init__(self, port: int, number: int, ends_at: float, seed: int, mariadb: bool, gossip: Gossip) -> None:
        self.port = port
        self.number = number
        self.ends_at = ends_at
        self.random = random.Random(f"{seed} {number}")
        self.mariadb = mariadb
        self.gossip = gossip
        self.counts: Counter[str] = Counter()
        self.queries = 0
        self.variable: str | None = None
        self.inserted = "0"

    async def live(self) -> None:
        while time.monotonic() < self.ends_at:
            client = await Raw.connect("127.0.0.1", self.port)
            self.counts["connected"] += 1
            self.variable, self.inserted = None, "0"
            self.gossip.present.append(client.connection_id)
            try:
                while time.monotonic() < self.ends_at and await self._act(client):
                    await asyncio.sleep(self.random.random() * 0.3)
            except ServerSaid as error:
                self._tolerate(client, error)
            except Died:
                self.counts["died in a transaction"] += 1
            finally:
                self.gossip.present.remove(client.connection_id)
                self.gossip.targets.discard(client.connection_id)
                client.abort() if self.random.random() < 0.5 else client.close()

    def _tolerate(self, client: Raw, error: ServerSaid) -> None:
        """A KILL QUERY may come late and meet the next statement, as with the servers; but never another client's."""
        if error.args[0] != INTERRUPTED or client.connection_id not in self.gossip.targets:
            raise error
        self.counts["interrupted"] += 1

    async def _act(self, client: Raw) -> bool:
        actions = (
            self._ask, self._ask, self._ask, self._variables, self._insert, self._transaction, self._pipeline,
            self._mistake, self._timeout, self._kill, self._temporary, self._die,
        )  # fmt: skip
        action = self.random.choice(actions)
        alive = await action(client)
        self.counts[action.__name__] += 1
        return alive is not False

    def _check(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            raise WrongAnswer(f"client {self.number}, {what}: {found!r} where {expected!r} is right")

    def _next(self) -> tuple[str, str]:
        self.queries += 1
        return (
            f"SELECT CONCAT('client', {self.number}, 'query', {self.queries})",
            f"client{self.number}query{self.queries}",
        )

    async def _ask(self, client: Raw) -> None:
        text, expected = self._next()
        self._check(await client.query(text), [[(expected,)]], "SELECT")

    async def _variables(self, client: Raw) -> None:
        found = await client.query("SELECT @mine, LAST_INSERT_ID(), CONNECTION_ID()")
        self._check(found, [[(self.variable, self.inserted, str(client.connection_id))]], "session")
        value = str(self.number * 1000 + self.random.randrange(1000))
        await client.query(f"SET @mine = {value}")
        self.variable = value
        self._check(await client.query("SELECT @mine"), [[(value,)]], "variable")

    async def _insert(self, client: Raw) -> None:
        await client.query(f"INSERT INTO crowd_log (client) VALUES ({self.number})")
        self.inserted = str(client.insert_id)
        self._check(
            await client.query("SELECT client, id FROM crowd_log WHERE id = LAST_INSERT_ID()"),
            [[(str(self.number), self.inserted)]],
            "LAST_INSERT_ID",
        )

    async def _transaction(self, client: Raw) -> None:
        """Moves an amount between its two rows: the sum stays, and nobody else's rows are seen."""
        amount = self.random.randrange(1, 100)
        commits = self.random.random() < 0.6
        await client.query("BEGIN")
        before = (await client.query(f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"))[0]
        self._check(sum(int(money) for _, money in before), 1000, "sum before")
        await client.query(f"UPDATE crowd SET money = money - {amount} WHERE client = {self.number} AND side = 0")
        if self.random.random() < 0.1:
            raise Died
        await client.query(f"UPDATE crowd SET money = money + {amount} WHERE client = {self.number} AND side = 1")
        after = (await client.query(f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"))[0]
        moved = [("0", str(int(before[0][1]) - amount)), ("1", str(int(before[1][1]) + amount))]
        self._check(after, moved, "inside")
        await client.query("COMMIT" if commits else "ROLLBACK")
        found = (await client.query(f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"))[0]
        self._check(found, moved if commits else before, "after")

    async def _pipeline(self, client: Raw) -> None:
        expected = []
        for _ in range(self.random.randrange(2, 12)):
            kind = self.random.randrange(4)
            if kind == 0:
                client.send(PING)
                expected.append([None])
            elif kind == 1:
                client.send(QUERY + b"SELECT no_such_column")
                expected.append(1054)
            else:
                text, answer = self._next()
                client.send(QUERY + text.encode() + b"; SELECT 2" * (kind == 3))
                expected.append([[(answer,)], [("2",)]] if kind == 3 else [[(answer,)]])
        for answer in expected:
            try:
                found: object = await client.reply()
            except ServerSaid as error:
                found = error.args[0]
                if found == INTERRUPTED:
                    self._tolerate(client, error)
                    continue
            self._check(found, answer, "pipeline")

    async def _mistake(self, client: Raw) -> None:
        wrong, code = self.random.choice(
            (("SELEC 1", 1064), ("SELECT * FROM no_such_table", 1146), ("INSERT INTO crowd VALUES (1, 2)", 1136))
        )
        try:
            await client.query(wrong)
            raise WrongAnswer(f"client {self.number}: no error")
        except ServerSaid as error:
            if error.args[0] != code:
                self._tolerate(client, error)

    async def _timeout(self, client: Raw) -> None:
        if self.mariadb:
            text = "SET STATEMENT max_statement_time = 0.04 FOR SELECT SLEEP(1), 'slept'"
        else:
            text = "SELECT /*+ MAX_EXECUTION_TIME(40) */ SLEEP(1), 'slept'"
        self.gossip.sleeping.append(client.connection_id)
        try:
            ((row,),) = await client.query(text)
            # Whether it was interrupted or slept on: a KILL that came late may have taken the place of the timeout.
            self._check(row in (("0", "slept"), ("1", "slept")), True, "timeout")
        except ServerSaid as error:
            if error.args[0] not in TIMED_OUT:
                self._tolerate(client, error)
        finally:
            self.gossip.sleeping.remove(client.connection_id)

    async def _kill(self, client: Raw) -> None:
        """Anybody's statement: whoever it meets gets 1317 or nothing, and never an answer of another."""
        gossip = self.gossip
        victim = self.random.choice(
            gossip.sleeping if gossip.sleeping and self.random.random() < 0.8 else gossip.present
        )
        gossip.targets.add(victim)
        try:
            await client.query(f"KILL QUERY {victim}")
        except ServerSaid as error:
            if error.args[0] != 1094:
                raise

    async def _temporary(self, client: Raw) -> None:
        await client.query("CREATE TEMPORARY TABLE private (a INT)")
        await client.query(f"INSERT INTO private VALUES ({self.number})")
        self._check(await client.query("SELECT a FROM private"), [[(str(self.number),)]], "temporary table")
        await client.query("DROP TEMPORARY TABLE private")

    async def _die(self, client: Raw) -> bool:
        """Leaves in the middle of a statement, or of a command."""
        if self.random.random() < 0.5:
            client.send(QUERY + b"SELECT SLEEP(0.2), REPEAT('x', 100000)")
        else:
            client.writer.write(b"\x40\0\0\0\x03SELECT 'half a comm")
        await asyncio.sleep(0)
        return False


async def crowd(port: int, first: int, count: int, seconds: float, seed: int, mariadb: bool) -> Counter[str]:
    ends_at = time.monotonic() + seconds
    gossip = Gossip()
    members = [Member(port, number, ends_at, seed, mariadb, gossip) for number in range(first, first + count)]
    async with asyncio.TaskGroup() as group:
        for member in members:
            group.create_task(member.live())
    return sum((member.counts for member in members), Counter())


if __name__ == "__main__":
    port, first, count, seconds, seed, mariadb = sys.argv[1:]
    try:
        counts = asyncio.run(crowd(int(port), int(first), int(count), float(seconds), int(seed), mariadb == "True"))
    except ExceptionGroup as failures:
        print(json.dumps({"failures": [repr(failure) for failure in failures.exceptions][:20]}))
    else:
        print(json.dumps(counts))
