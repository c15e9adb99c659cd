"""`python -m tests.clients.postgres.crowd PORT FIRST COUNT SECONDS SEED`: a process full of PostgreSQL clients.

Each checks every answer of its own: in simple and extended protocol, of prepared statements whose names others use for
other texts, in pipelines with errors in them, of COPY, settings, locks and temporary tables. At random they cancel each
other, run into timeouts, and die. Ends with one line of JSON, the counts.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say

from ...raw.postgres_aio import Raw, Reply, ServerSaid, execution
from ..members import Action, Died, Gossip, Member, WrongAnswer, report

CANCELED = "57014"
LOCK_SPACE = 7
ZONES = ("Asia/Tokyo", "Europe/Berlin", "America/Lima", "UTC", "Africa/Nairobi")
TEXTS = ("SELECT $1::text || '{word}'", "SELECT $1::text || '-{number}'", "SELECT $1::text", "SELECT upper($1::text)")
"""Of prepared statements: some are one client's alone, some are everybody's."""


class PostgresMember(Member):
    """With settings and prepared statements that are its own."""

    error = ServerSaid

    def __init__(self, port: int, number: int, ends_at: float, seed: int, gossip: Gossip) -> None:
        super().__init__(number, ends_at, seed, gossip)
        self.port = port
        self.zone = ""
        self.mine = ""
        self.statements: dict[str, str] = {}

    async def connect(self) -> Raw:
        self.zone = self.random.choice(ZONES)
        self.mine = f"start {self.number % 10}"
        self.statements = {}
        return await Raw.connect(
            "127.0.0.1", self.port, TimeZone=self.zone, options=f"-c app.mine=start\\ {self.number % 10}"
        )

    def tolerate(self, client: Raw, error: ServerSaid) -> None:
        """A cancel may come late and meet the next statement, as with the server; but never another client's."""
        if error.args[0] != CANCELED or "user request" not in error.args[1] or client not in self.gossip.targets:
            raise error
        self.counts["interrupted"] += 1

    def actions(self) -> Sequence[Action]:
        return (
            self._ask, self._ask, self._extended, self._extended, self._prepared, self._prepared, self._prepared, self._settings,
            self._insert, self._transaction, self._pipeline, self._pipeline, self._mistake, self._timeout, self._cancel, self._copy,
            self._cursor, self._temporary, self._lock, self._listen, self._die,
        )  # fmt: skip

    def _same(self, reply: Reply, expected: str | None, what: str) -> None:
        self.check(reply.rows, [[(expected,)]], what)

    async def _ask(self, client: Raw) -> None:
        word = self.next()
        self._same(await client.query(f"SELECT '{word}'"), word, "Query")

    async def _extended(self, client: Raw) -> None:
        word = self.next()
        self._same(await client.execute("SELECT $1::text || $2", word, "!"), f"{word}!", "unnamed statement")
        if self.random.random() < 0.3:  # it is kept between units
            word = self.next()
            self._same(await client.unit(*execution("", [word, "?"])), f"{word}?", "unnamed statement again")

    async def _prepared(self, client: Raw) -> None:
        name = self.random.choice(("s1", "s2", "s3"))
        messages = []
        if name in self.statements and self.random.random() < 0.2:
            del self.statements[name]
            messages.append(say.close(wire.STATEMENT, name.encode()))
        if name not in self.statements:
            text = self.random.choice(TEXTS).format(word=self.next(), number=self.number % 7)
            self.statements[name] = text
            messages.append(say.parse(name.encode(), text.encode()))
        value = self.next()
        text = self.statements[name]
        expected = value.upper() if "upper" in text else value + (text.split("'")[1] if "'" in text else "")
        self._same(await client.unit(*messages, *execution(name, [value])), expected, "prepared statement")

    async def _settings(self, client: Raw) -> None:
        asked = "SELECT current_setting('app.mine'), current_setting('timezone')"
        self.check((await client.query(asked)).rows, [[(self.mine, self.zone)]], "settings")
        self.check(client.parameters["TimeZone"], self.zone, "the setting that was told")
        change = self.random.randrange(5)
        word, zone = self.next(), self.random.choice(ZONES)
        if change == 0:
            await client.query(f"SET app.mine = '{word}'")
            self.mine = word
        elif change == 1:
            await client.query(f"SET timezone = '{zone}'; SELECT set_config('app.mine', '{word}', false)")
            self.mine, self.zone = word, zone
        elif change == 2:
            await client.query("BEGIN")
            await client.query(f"SET app.mine = '{word}'")
            await client.query("SAVEPOINT s")
            await client.query(f"SET timezone = '{zone}'")
            await client.query("ROLLBACK TO s")
            await client.query("COMMIT")
            self.mine = word
        elif change == 3:
            await client.query(f"BEGIN; SET app.mine = '{word}'; SET LOCAL timezone = '{zone}'")
            await client.query("ROLLBACK")
        else:
            await client.execute("SELECT set_config($1, $2, false)", "app.mine", word)
            self.mine = word
        self.check((await client.query(asked)).rows, [[(self.mine, self.zone)]], f"settings after change {change}")

    async def _insert(self, client: Raw) -> None:
        found = (await client.query(f"INSERT INTO crowd_log (client) VALUES ({self.number}) RETURNING id, client")).rows
        ((inserted, number),) = found[0]
        self.check(number, str(self.number), "RETURNING")
        self._same(
            await client.execute("SELECT client FROM crowd_log WHERE id = $1::int", inserted),
            str(self.number),
            "own row",
        )

    async def _transaction(self, client: Raw) -> None:
        """Moves an amount between its two rows: the sum stays, and nobody else's rows are seen."""
        amount = self.random.randrange(1, 100)
        commits = self.random.random() < 0.6
        mine = f"SELECT side, money FROM crowd WHERE client = {self.number} ORDER BY side"
        self.check((await client.query("BEGIN")).status, "T", "BEGIN")
        before = (await client.query(mine)).rows[0]
        self.check(sum(int(row[1] or 0) for row in before), 1000, "sum before")
        move = f"UPDATE crowd SET money = money + $1::int WHERE client = {self.number} AND side = $2::int"
        await client.execute(move, str(-amount), "0")
        if self.random.random() < 0.1:
            raise Died
        await client.execute(move, str(amount), "1")
        moved = [("0", str(int(before[0][1] or 0) - amount)), ("1", str(int(before[1][1] or 0) + amount))]
        self.check((await client.query(mine)).rows[0], moved, "inside")
        await client.query("COMMIT" if commits else "ROLLBACK")
        self.check((await client.query(mine)).rows[0], moved if commits else before, "after")

    async def _pipeline(self, client: Raw) -> None:
        """Units sent ahead; each has its own answer, and an error ends its own unit."""
        expected: list[tuple[object, str | None]] = []
        for _ in range(self.random.randrange(2, 12)):
            word = self.next()
            kind = self.random.randrange(6)
            if kind == 0:
                client.send(say.SYNC)
                expected.append(([], None))
            elif kind == 1:
                client.send(say.query(b"SELECT no_such_column"))
                expected.append(([], "42703"))
            elif kind == 2:
                client.send(say.query(f"SELECT '{word}'; SELECT 2".encode()))
                expected.append(([[(word,)], [("2",)]], None))
            elif kind == 3:
                first = [say.parse(b"", b"SELECT $1::text"), *execution("", [word], sync=False)]
                client.send(b"".join([*first, say.parse(b"", b"SELECT 1/$1::int"), *execution("", ["0"], sync=False)]))
                client.send(b"".join(execution("never", ["skipped"])))
                expected.append(([[(word,)], []], "22012"))
            elif kind == 4:
                client.send(
                    b"".join([say.parse(b"", b"SELECT $1::text"), *execution("", [word], sync=False), say.FLUSH])
                )
                client.send(b"".join(execution("", [word + "'"])))
                expected.append(([[(word,)], [(word + "'",)]], None))
            else:
                client.send(b"".join([say.parse(b"", b"SELECT $1::text"), *execution("", [word])]))
                expected.append(([[(word,)]], None))
        for rows, code in expected:
            reply = await client.reply()
            if reply.error is not None and reply.error[0] == CANCELED:
                self.tolerate(client, ServerSaid(*reply.error))
                continue
            found_rows = [found for found in reply.rows if found or code is None]
            wanted = [found for found in rows if found] if isinstance(rows, list) else rows
            self.check((found_rows, reply.error and reply.error[0]), (wanted, code), "pipeline")

    async def _mistake(self, client: Raw) -> None:
        wrong, code = self.random.choice(
            (
                ("SELEC 1", "42601"),
                ("SELECT * FROM no_such_table", "42P01"),
                ("INSERT INTO crowd VALUES (1, 2, 3, 4)", "42601"),
            )
        )
        try:
            await (client.query(wrong) if self.random.random() < 0.5 else client.execute(wrong))
            raise WrongAnswer(f"client {self.number}: no error")
        except ServerSaid as error:
            if error.args[0] != code:
                self.tolerate(client, error)

    async def _timeout(self, client: Raw) -> None:
        self.gossip.sleeping.append(client)
        try:
            await client.query("BEGIN; SET LOCAL statement_timeout = 40")
            await client.query("SELECT pg_sleep(1)")
            raise WrongAnswer(f"client {self.number}: it slept")
        except ServerSaid as error:
            if error.args != (CANCELED, "canceling statement due to statement timeout"):
                self.tolerate(client, error)
            self.check((await client.query("ROLLBACK")).status, "I", "ROLLBACK")
        finally:
            self.gossip.sleeping.remove(client)

    async def _cancel(self, client: Raw) -> None:
        """Anybody's statement: whoever it meets gets 57014 or nothing, and never an answer of another."""
        await self.gossip.victim(self.random).cancel()

    async def _copy(self, client: Raw) -> None:
        words = [self.next() for _ in range(self.random.randrange(1, 40))]
        client.send(say.query(b"BEGIN; DELETE FROM crowd_copied; COPY crowd_copied FROM STDIN"))
        reply = await client.reply()
        if reply.status != "G":
            raise ServerSaid(*(reply.error or ("", "no CopyInResponse")))
        for word in words:
            client.send(say.message(wire.COPY_DATA, f"{word}\n".encode()))
        fails = self.random.random() < 0.2
        client.send(say.copy_fail(b"on purpose") if fails else say.COPY_DONE)
        reply = await client.reply()
        if fails:
            self.check(reply.error and reply.error[0], CANCELED, "COPY that was given up")
        elif reply.error is not None:
            raise ServerSaid(*reply.error)
        else:
            # In any order: scans of a table this large begin where another client's is (synchronize_seqscans).
            out = await client.query("COPY (SELECT * FROM crowd_copied) TO STDOUT")
            self.check(sorted(out.copied), sorted(f"{word}\n".encode() for word in words), "COPY")
        await client.query("ROLLBACK")

    async def _cursor(self, client: Raw) -> None:
        """A portal, read in parts."""
        word = self.next()
        await client.query("BEGIN")
        text = b"SELECT $1::text || i FROM generate_series(1, 5) i"
        head = [say.parse(b"", text), say.bind(b"p", b"", [word.encode()]), say.execute(b"p", 2), say.SYNC]
        self.check((await client.unit(*head)).rows, [[(f"{word}1",), (f"{word}2",)]], "portal")
        self._same(await client.query("SELECT 'between'"), "between", "between")
        rest = (await client.unit(say.execute(b"p"), say.SYNC)).rows
        self.check(rest, [[(f"{word}{n}",) for n in (3, 4, 5)]], "rest of the portal")
        await client.query("COMMIT")

    async def _temporary(self, client: Raw) -> None:
        await client.query("CREATE TEMP TABLE private (a int)")
        await client.query(f"INSERT INTO private VALUES ({self.number})")
        self._same(await client.query("SELECT a FROM private"), str(self.number), "temporary table")
        await client.query("DROP TABLE private")

    async def _lock(self, client: Raw) -> None:
        lock = f"({LOCK_SPACE}, {self.number})"
        self._same(await client.query(f"SELECT pg_try_advisory_lock{lock}"), "t", "lock")
        held = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = {LOCK_SPACE}"
        self._same(await client.query(held), "1", "locks held")
        self._same(await client.query(f"SELECT pg_advisory_unlock{lock}"), "t", "unlock")

    async def _listen(self, client: Raw) -> None:
        channel, word = f"c{self.number}", self.next()
        await client.query(f"LISTEN {channel}")
        reply = await client.query(f"NOTIFY {channel}, '{word}'")
        after = await client.query("SELECT 1")
        self.check(reply.notified + after.notified, [(channel, word)], "notification")
        await client.query("UNLISTEN *")

    async def _die(self, client: Raw) -> bool:
        """Leaves in the middle of a statement, a message, a unit, a COPY; or the server ends its connection."""
        way = self.random.randrange(6)
        if way == 0:
            client.send(say.query(b"SELECT pg_sleep(0.2), repeat('x', 100000)"))
        elif way == 1:
            client.send(b"Q\0\0\1\0SELECT 'half a mess")
        elif way == 2:
            client.send(b"".join([say.parse(b"", b"SELECT $1::text"), *execution("", ["no Sync"], sync=False)]))
        elif way == 3:
            client.send(say.query(b"COPY crowd_copied FROM STDIN") + say.message(wire.COPY_DATA, b"half\n"))
        elif way == 4:
            client.send(say.query(b"LISTEN left; CREATE TEMP TABLE private (a int); SELECT pg_advisory_lock(0)"))
        else:
            try:
                await client.query("SELECT pg_terminate_backend(pg_backend_pid())")
                raise WrongAnswer(f"client {self.number}: it lives")
            except ServerSaid as error:
                if error.args[0] != "57P01":
                    self.tolerate(client, error)
            self.counts["terminated"] += 1
        await asyncio.sleep(0)
        return False


def crowd(port: int, first: int, count: int, seconds: float, seed: int) -> Sequence[Member]:
    ends_at = time.monotonic() + seconds
    gossip = Gossip()
    return [PostgresMember(port, number, ends_at, seed, gossip) for number in range(first, first + count)]


if __name__ == "__main__":
    port, first, count, seconds, seed = sys.argv[1:]
    report(crowd(int(port), int(first), int(count), float(seconds), int(seed)))
