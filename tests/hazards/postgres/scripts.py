"""Scripts of messages that run twice, straight to the server and through Outlive, and must look the same.

Through Outlive there is one server connection, and another client (the thief) takes it between every two steps, so
that nothing that seems to be kept is kept by chance. What a script says of each step:

- a text (a Query) or a `unit`: it leaves nothing that holds the connection, so the thief must get it at once;
- `held(step, reason, ...)`: from here on the session holds the connection, and /metrics names exactly these reasons
  (none: a transaction, or a unit without its Sync);
- `held(step, *ANYTHING)`: for whatever reasons, until the transaction has ended.

After a step that the server itself ends in a transaction the connection is held in any case.

Every message of every reply is compared: rows, tags, errors with all their fields, notices, notifications, and what
is told of settings, in their order.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from ...servers import OutliveProcess, PostgresServer
from ...servers.database import APP, Account
from .raw import SYNC, Message, Raw, bind, describe, execute, parse, query

SETTLED_WITHIN_S = 2.0
ANYTHING = ("anything",)


@dataclass(frozen=True, slots=True)
class Step:
    """`data` goes out, and all is read up to the `count`-th message of type `last`. `holds`: see the module.

    `elsewhere`: a statement that the superuser runs straight at the server instead.
    """

    name: str
    data: bytes = b""
    last: str = "Z"
    count: int = 1
    holds: tuple[str, ...] | None = None
    elsewhere: str = ""

    def __str__(self) -> str:
        return self.name


Steps = str | bytes | Step


def step(what: Steps) -> Step:
    """A text is a Query."""
    if isinstance(what, Step):
        return what
    return Step(repr(what[:300]), query(what))


def unit(*messages: bytes, count: int = 1) -> Step:
    """Messages of the extended protocol with a Sync behind them, in one write. `count` of ReadyForQuery are awaited."""
    data = b"".join(messages) + SYNC
    return Step(_named(data), data, count=count)


def messages(*parts: bytes, last: str = "Z", count: int = 1) -> Step:
    """Any messages in one write, and what is read after them."""
    data = b"".join(parts)
    return Step(_named(data), data, last, count)


def elsewhere(sql: str) -> Step:
    """The superuser runs this straight at the server."""
    return Step(f"elsewhere {sql!r}", elsewhere=sql)


def held(what: Steps, *reasons: str) -> Step:
    """After it the session holds its connection for exactly these reasons (none: a transaction, or an open unit)."""
    return replace(step(what), holds=tuple(sorted(reasons)))


def prepared(text: str, *values: str | None, name: str = "") -> Step:
    """What drivers send of a statement that is run at once."""
    return unit(parse(name, text), bind("", name, *values), describe("P"), execute())


def run(name: str, *values: str | None) -> Step:
    """What drivers send of a statement that was prepared before."""
    return unit(bind("", name, *values), describe("P"), execute())


def _named(data: bytes) -> str:
    return repr(data) if len(data) < 500 else f"{data[:400]!r}... ({len(data)} bytes)"


@dataclass(frozen=True, slots=True)
class Script:
    """`setup` is run by the superuser before each run; `parameters` are of the startup packet. `replaced`: it looks
    the same as well where the server connection is another one each time.
    """

    name: str
    steps: tuple[Step, ...]
    setup: str = ""
    account: Account = APP
    parameters: tuple[tuple[str, str], ...] = ()
    replaced: bool = True


def script(
    name: str,
    *steps: Steps,
    setup: str = "",
    account: Account = APP,
    parameters: Mapping[str, str] | None = None,
    replaced: bool = True,
) -> Script:
    """See `Script`."""
    return Script(name, tuple(map(step, steps)), setup, account, tuple((parameters or {}).items()), replaced)


TABLES = """
DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public AUTHORIZATION app; GRANT ALL ON SCHEMA public TO PUBLIC;
DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA aside AUTHORIZATION app; GRANT ALL ON SCHEMA aside TO PUBLIC;
SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata;
SET ROLE app;
CREATE TABLE public.t (id int PRIMARY KEY, n int, s text);
INSERT INTO public.t SELECT i, i * 10, 'row ' || i FROM generate_series(1, 5) AS i;
CREATE TABLE public.defer (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE aside.t (id int PRIMARY KEY, n int, s text);
INSERT INTO aside.t VALUES (1, 1000, 'aside');
GRANT ALL ON public.t, aside.t TO PUBLIC;
CREATE SEQUENCE public.counter;
GRANT ALL ON SEQUENCE public.counter TO PUBLIC;
CREATE FUNCTION public.hidden(text, text) RETURNS text LANGUAGE sql AS 'SELECT set_config($1, $2, false)';
CREATE FUNCTION public.says(text) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE NOTICE USING MESSAGE = $1, DETAIL = 'detail', HINT = 'hint', ERRCODE = '01ABC'; RETURN 1; END $$;
CREATE FUNCTION public.fails(text) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION USING MESSAGE = $1, ERRCODE = 'XY123'; RETURN 1; END $$;
CREATE PROCEDURE public.commits() LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.t VALUES (100); COMMIT; INSERT INTO public.t VALUES (101); ROLLBACK; END $$;
CREATE PROCEDURE public.sets(text) LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('work_mem', $1, false); COMMIT; END $$;
RESET ROLE;
"""
"""What scripts work on, made anew by the superuser before each."""


# -- the other client ------------------------------------------------------------------------------

THIEFS_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS thief;
GRANT ALL ON SCHEMA thief TO PUBLIC;
CREATE SEQUENCE IF NOT EXISTS thief.stolen START 9000;
GRANT ALL ON SEQUENCE thief.stolen TO PUBLIC;
"""

DRESS = {
    "search_path": "thief, pg_catalog",
    "timezone": "Asia/Tokyo",
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "application_name": "thief",
    "client_encoding": "LATIN1",
    "work_mem": "3MB",
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "29s",
    "thief.mark": "mine",
    "idle_session_timeout": "77s",
}
"""The settings of a thief that has some."""


class Thief:
    """Takes the connection, and finds its own session as it left it every time.

    It gives the names that scripts give to statements of its own, and each of its turns ends otherwise: what one of
    them leaves behind is what the next client must not see.
    """

    _NAMED = (
        parse("s", "SELECT 'the thief''s s'"),
        parse("p", "SELECT 'the thief''s p', $1::text"),
        parse("n" * 63, "SELECT 'the thief''s n'"),
    )
    _EXECUTED = bind("", "s") + execute() + bind("", "p", "1") + execute() + bind("", "n" * 63) + execute() + SYNC
    _ENDINGS: tuple[tuple[bytes, ...], ...] = (
        (query("SELECT nextval('thief.stolen')"),),
        (query("SELECT nothing FROM nowhere"),),
        (parse("", "SELECT 'the thief''s unnamed one'") + SYNC,),
        (query("BEGIN"), query("SET work_mem = '9MB'; SET LOCAL timezone = 'UTC'"), query("ROLLBACK")),
        (query("DO $$ BEGIN PERFORM set_config('work_mem', '8MB', true); END $$"),),
        (query("LISTEN thief"), query("UNLISTEN thief")),
        (query("SELECT pg_advisory_lock(77)"), query("SELECT pg_advisory_unlock(77)")),
        (query("CREATE TEMP TABLE t (thief int)"), query("DROP TABLE pg_temp.t")),
        (parse("broken", "SELECT nothing FROM nowhere") + bind("", "broken") + execute() + SYNC,),
        (query("BEGIN; SAVEPOINT a; SET lc_time = 'C'; SELECT 1/0"), query("ROLLBACK")),
        (query("PREPARE x AS SELECT 'by text'"), query("DEALLOCATE x")),
        (query("DEALLOCATE ALL"), b"".join(_NAMED) + SYNC),
        (bind("", "s") + execute("", 1) + SYNC,),
    )

    def __init__(
        self, node: OutliveProcess, account: Account = APP, *, dressed: bool = True, split: bool = False
    ) -> None:
        """`dressed`: it has settings; `split`: its victims send each message in a segment of its own."""
        self.split = split
        self._turn = 0
        self._dressed = dressed
        self._raw = Raw(node, account=account)
        for name, value in DRESS.items() if dressed else ():
            quoted = value if name in ("search_path", "datestyle") else f"'{value}'"
            assert self._raw.query(f"SET {name} = {quoted}")[-1] == ("Z", "I")
        self._raw.send(b"".join(self._NAMED) + SYNC)
        assert [found[0] for found in self._raw.until()] == ["1", "1", "1", "Z"]
        self._expected = self._check()

    def _check(self) -> list[Message]:
        names = ", ".join(f"current_setting('{name}')" for name in DRESS if self._dressed or "." not in name)
        self._raw.send(query(f"SELECT {names}, current_user, session_user") + self._EXECUTED)
        return self._raw.until(count=2)

    def steal(self) -> None:
        """One turn: checks its own session, and leaves what a last statement can leave."""
        found = self._check()
        assert found == self._expected, f"the thief finds {found}"
        ending = self._ENDINGS[self._turn % len(self._ENDINGS)]
        self._turn += 1
        self._raw.send(b"".join(ending))
        reply = self._raw.until(count=len(ending))
        assert reply[-1] == ("Z", "I"), reply

    def close(self) -> None:
        """Ends its session."""
        self._raw.close()


# -- running ---------------------------------------------------------------------------------------

FRESH = (
    "SELECT lastval()",
    "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings"
    " WHERE source = 'session' AND name NOT LIKE 'transaction%'",
    "SELECT current_user, session_user, current_setting('role'), current_schemas(false)",
    "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), (SELECT count(*) FROM pg_cursors),"
    " (SELECT count(*) FROM pg_listening_channels()), EXISTS (SELECT FROM pg_class WHERE relnamespace ="
    " pg_my_temp_schema()),"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
    "SHOW idle_session_timeout",
    "EXECUTE s",
)
"""What a new client asks, and must find nothing."""


class Stage:
    """A server, a node in front of it with one connection, and what goes on beside the scripts."""

    def __init__(self, server: PostgresServer, node: OutliveProcess) -> None:
        self.server = server
        self.node = node
        self.superuser: psycopg.Connection[Any] = server.connect()
        self.superuser.execute(THIEFS_SCHEMA)

    def close(self) -> None:
        """Ends what it opened."""
        self.superuser.close()

    def prepare(self, found: Script) -> None:
        """Makes the tables anew."""
        self.superuser.execute(TABLES + found.setup)  # type: ignore[call-overload]

    def open(self, target: PostgresServer | OutliveProcess, found: Script) -> Raw:
        """The script's client."""
        return Raw(target, account=found.account, parameters=dict(found.parameters))

    def take(self, client: Raw, found: Step, *, split: bool = False) -> list[Message]:
        """One step."""
        if found.elsewhere:
            try:
                self.superuser.execute(found.elsewhere)  # type: ignore[call-overload]
            except psycopg.Error as error:
                return [("superuser", error.sqlstate)]
            return []
        for part in pieces(found.data) if split else (found.data,):
            client.send(part)
        return client.until(found.last, found.count)

    def direct(self, found: Script) -> list[list[Message]]:
        """What each step shows straight at the server. The first is what the login told."""
        self.prepare(found)
        with self.open(self.server, found) as client:
            return [[("told", client.told)], *(self.take(client, step) for step in found.steps)]

    def through(self, found: Script, thief: Thief) -> list[list[Message]]:
        """What each step shows through Outlive, with the thief between every two."""
        self.prepare(found)
        thief.steal()
        with self.open(self.node, found) as client:
            seen: list[list[Message]] = [[("told", client.told)]]
            thief.steal()
            for each in found.steps:
                seen.append(self.take(client, each, split=thief.split))
                held_by_transaction = seen[-1][-1:] in ([("Z", "T")], [("Z", "E")])
                if each.holds is None and not held_by_transaction:
                    self._steal(thief, each)
                elif each.holds != ANYTHING:
                    self.check_held(each)
        thief.steal()
        return seen

    def _steal(self, thief: Thief, found: Step) -> None:
        try:
            thief.steal()
        except AssertionError as error:
            pins = self.pins()
            why = f"; {found} holds the connection, for {pins}" if "53300" in str(error) else ""
            pytest.fail(f"after {found}: {error}{why}", pytrace=False)

    def check_held(self, found: Step) -> None:
        """What Outlive asks behind a reply may be under way when the client has it: the reasons settle a moment
        later.
        """
        end = time.monotonic() + SETTLED_WITHIN_S
        while (pins := self.pins()) != (found.holds or ()):
            if time.monotonic() > end:
                pytest.fail(f"{found} holds the connection for {pins}, not for {found.holds}", pytrace=False)
            time.sleep(0.002)
        if not self.node.metric("outlive_leases_held"):
            pytest.fail(f"{found} does not hold the connection", pytrace=False)

    def pins(self) -> tuple[str, ...]:
        """The reasons of the pins there are now, as /metrics tells."""
        found = []
        for line in self.node.get("/metrics")[1].splitlines():
            if line.startswith("outlive_pinned{") and float(line.rpartition(" ")[2]):
                found.append(line.partition('reason="')[2].partition('"')[0])
        return tuple(sorted(found))

    def fresh(self, target: PostgresServer | OutliveProcess) -> list[list[Message]]:
        """What a new client finds."""
        with Raw(target) as client:
            return [client.query(text) for text in FRESH]

    def same(self, found: Script, thief: Thief) -> None:
        """Runs it both ways and compares."""
        direct = self.direct(found)
        compare(found.name, ("login", *found.steps), direct, self.through(found, thief))
        compare(f"{found.name}: the next client", FRESH, self.fresh(self.server), self.fresh(self.node))


def pieces(data: bytes) -> Iterable[bytes]:
    """Message by message."""
    position = 0
    while position < len(data):
        end = position + 1 + int.from_bytes(data[position + 1 : position + 5], "big")
        yield data[position:end]
        position = end


def compare(name: str, steps: Sequence[object], direct: Sequence[Any], through: Sequence[Any]) -> None:
    """Fails with every step that differs."""
    different = [
        f"{step}\n" + "\n".join(_differences(one, other))
        for step, one, other in zip(steps, direct, through, strict=True)
        if one != other
    ]
    if different:
        pytest.fail(f"{name}\n" + "\n".join(different), pytrace=False)


def _differences(one: list[Message], other: list[Message]) -> Iterable[str]:
    if len(one) != len(other):
        yield f"    direct  {one}"
        yield f"    through {other}"
        return
    for expected, actual in zip(one, other, strict=True):
        if expected != actual:
            yield f"    direct  {expected}"
            yield f"    through {actual}"
