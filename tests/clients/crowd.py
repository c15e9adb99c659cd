"""`python -m tests.clients.crowd PORT FIRST COUNT SECONDS SEED MARIADB`: a process full of clients.

Each checks every answer of its own. At random they make mistakes, run into timeouts, pipeline, are interrupted by each
other, and die. Ends with one line of JSON, the counts.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from ..raw.mysql_aio import PING, QUERY, Raw, ServerSaid
from .members import Action, Died, Gossip, Member, WrongAnswer, report

INTERRUPTED = 1317
TIMED_OUT = (1969, 3024)


class MySQLMember(Member):
    """With a user variable and a last insert id that are its own."""

    error = ServerSaid

    def __init__(self, port: int, number: int, ends_at: float, seed: int, mariadb: bool, gossip: Gossip) -> None:
        super().__init__(number, ends_at, seed, gossip)
        self.port = port
        self.mariadb = mariadb
        self.variable: str | None = None
        self.inserted = "0"

    async def connect(self) -> Raw:
        self.variable, self.inserted = None, "0"
        return await Raw.connect("127.0.0.1", self.port)

    def tolerate(self, client: Raw, error: ServerSaid) -> None:
        """A KILL QUERY may come late and meet the next statement, as with the servers; but never another client's."""
        if error.args[0] != INTERRUPTED or client not in self.gossip.targets:
            raise error
        self.counts["interrupted"] += 1

    def actions(self) -> Sequence[Action]:
        return (
            self._ask, self._ask, self._ask, self._variables, self._insert, self._transaction, self._pipeline,
            self._mistake, self._timeout, self._kill, self._temporary, self._die,
        )  # fmt: skip

    def _next(self) -> tuple[str, str]:
        word = self.next()
        return f"SELECT CONCAT('{word}', '')", word

    async def _ask(self, client: Raw) -> None:
        text, expected = self._next()
        self.check(await client.query(text), [[(expected,)]], "SELECT")

    async def _variables(self, client: Raw) -> None:
        found = await client.query("SELECT @mine, LAST_INSERT_ID(), CONNECTION_ID()")
        self.check(found, [[(self.variable, self.inserted, str(client.connection_id))]], "session")
        value = str(self.number * 1000 + self.random.randrange(1000))
        await client.query(f"SET @mine = {value}")
        self.variable = value
        self.check(await client.query("SELECT @mine"), [[(value,)]], "variable")

    async def _insert(self, client: Raw) -> None:
        await client.query(f"INSERT INTO crowd_log (client) VALUES ({self.number})")
        self.inserted = str(client.insert_id)
        self.check(
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
        self.check(sum(int(money) for _, money in before), 1000, "sum before")
        await client.query(f"UPDATE crowd SET money = money - {amount} WHERE client = {self.number} AND side = 0")
        if self.random.random() < 0.1:
            raise Died
        await client.query(f"UPDATE crowd SET money = money + {amount} WHERE client = {self.number} AND side = 1")
        after = (await client.query(f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"))[0]
        moved = [("0", str(int(before[0][1]) - amount)), ("1", str(int(before[1][1]) + amount))]
        self.check(after, moved, "inside")
        await client.query("COMMIT" if commits else "ROLLBACK")
        found = (await client.query(f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"))[0]
        self.check(found, moved if commits else before, "after")

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
                    self.tolerate(client, error)
                    continue
            self.check(found, answer, "pipeline")

    async def _mistake(self, client: Raw) -> None:
        wrong, code = self.random.choice(
            (("SELEC 1", 1064), ("SELECT * FROM no_such_table", 1146), ("INSERT INTO crowd VALUES (1, 2)", 1136))
        )
        try:
            await client.query(wrong)
            raise WrongAnswer(f"client {self.number}: no error")
        except ServerSaid as error:
            if error.args[0] != code:
                self.tolerate(client, error)

    async def _timeout(self, client: Raw) -> None:
        if self.mariadb:
            text = "SET STATEMENT max_statement_time = 0.04 FOR SELECT SLEEP(1), 'slept'"
        else:
            text = "SELECT /*+ MAX_EXECUTION_TIME(40) */ SLEEP(1), 'slept'"
        self.gossip.sleeping.append(client)
        try:
            ((row,),) = await client.query(text)
            # Whether it was interrupted or slept on: a KILL that came late may have taken the place of the timeout.
            self.check(row in (("0", "slept"), ("1", "slept")), True, "timeout")
        except ServerSaid as error:
            if error.args[0] not in TIMED_OUT:
                self.tolerate(client, error)
        finally:
            self.gossip.sleeping.remove(client)

    async def _kill(self, client: Raw) -> None:
        """Anybody's statement: whoever it meets gets 1317 or nothing, and never an answer of another."""
        victim = self.gossip.victim(self.random)
        try:
            await client.query(f"KILL QUERY {victim.connection_id}")
        except ServerSaid as error:
            if error.args[0] != 1094:
                raise

    async def _temporary(self, client: Raw) -> None:
        await client.query("CREATE TEMPORARY TABLE private (a INT)")
        await client.query(f"INSERT INTO private VALUES ({self.number})")
        self.check(await client.query("SELECT a FROM private"), [[(str(self.number),)]], "temporary table")
        await client.query("DROP TEMPORARY TABLE private")

    async def _die(self, client: Raw) -> bool:
        """Leaves in the middle of a statement, or of a command."""
        if self.random.random() < 0.5:
            client.send(QUERY + b"SELECT SLEEP(0.2), REPEAT('x', 100000)")
        else:
            client.writer.write(b"\x40\0\0\0\x03SELECT 'half a comm")
        await asyncio.sleep(0)
        return False


def crowd(port: int, first: int, count: int, seconds: float, seed: int, mariadb: bool) -> Sequence[Member]:
    ends_at = time.monotonic() + seconds
    gossip = Gossip()
    return [MySQLMember(port, number, ends_at, seed, mariadb, gossip) for number in range(first, first + count)]


if __name__ == "__main__":
    port, first, count, seconds, seed, mariadb = sys.argv[1:]
    report(crowd(int(port), int(first), int(count), float(seconds), int(seed), mariadb == "True"))
