"""Two clients on one server connection, at random: each must see what it sees on a connection of its own.

The direct pair works in one database and the pair that goes through Outlive in another, so that all names are the same
and neither meets the other's locks and channels. Each of the two clients has a schema of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ...hazards.postgres import raw
from ...hazards.postgres.raw import Raw
from ...servers import OutliveProcess, PostgresServer

WHO = ("a", "b")
STARTUP = {
    "a": {},
    "b": {"TimeZone": "Asia/Tokyo", "application_name": "b", "options": "-c work_mem=5MB -c app.x=started"},
}
SETTINGS = {
    "search_path": ["'{who}', public", '"$user", {who}', "pg_catalog", "{who}, pg_temp, pg_catalog"],
    "timezone": ["'Europe/Berlin'", "'UTC'", "-5", "'No/Where'"],
    "datestyle": ["'German'", "'ISO, DMY'", "sql"],
    "intervalstyle": ["iso_8601", "'postgres'"],
    "bytea_output": ["escape", "'hex'"],
    "extra_float_digits": ["-3", "0", "2"],
    "standard_conforming_strings": ["off", "on"],
    "statement_timeout": ["'70s'", "60000", "0"],
    "lock_timeout": ["'3s'"],
    "work_mem": ["'3MB'", "4096", "'much'"],
    "default_transaction_isolation": ["'serializable'", "'read committed'"],
    "default_transaction_read_only": ["on", "off"],
    "client_encoding": ["'LATIN1'", "'UTF8'", "SQL_ASCII"],
    "application_name": ["'named {who}'", "''"],
    "client_min_messages": ["error", "notice", "debug1"],
    "idle_session_timeout": ["'90s'", "0"],
    "app.x": ["'1'", "two", "'it''s'"],
    "app.y": ["'é'"],
    "role": ["two_role", "none", "'no_such_role'"],
    "no_such_setting": ["1"],
}
READS = [
    "SELECT 1", "SELECT 'é', 'a\\b', E'c\\\\d'", "SHOW search_path", "SHOW timezone", "SHOW ALL_NOT",
    "SELECT current_setting('datestyle'), current_setting('intervalstyle'), current_setting('work_mem'), current_setting('role')",
    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_session_timeout')",
    "SELECT current_setting('application_name'), current_setting('client_encoding'), current_setting('client_min_messages')",
    "SELECT current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only')",
    "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')",
    "SELECT nullif(current_setting('app.x', true), ''), nullif(current_setting('app.y', true), '')",  # see docs/postgres.md
    "SELECT current_user, session_user, current_schemas(false)::text", "SELECT (timestamptz '2024-02-01 00:00:00+00')::text, (date '2024-02-03')::text",
    "SELECT (interval '26 hours')::text, '\\x00ff'::bytea::text, (i / 3::float8)::text FROM generate_series(1, 1) i",
    "SELECT id, n, s FROM {who}.t ORDER BY id", "SELECT * FROM t ORDER BY 1", "SELECT count(*) FROM {who}.t", "SELECT * FROM temp ORDER BY 1", "SELECT * FROM extra",
    "SELECT * FROM no_such_table", "SELEC", "", ";", "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3", "SELECT 1/0",
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT name FROM pg_prepared_statements WHERE from_sql ORDER BY 1",
    "SELECT name, is_holdable FROM pg_cursors WHERE name <> '' ORDER BY 1", "SELECT pg_listening_channels()", "SELECT pg_backend_pid() = pg_backend_pid()",
    "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'tcp%' AND name <> 'idle_session_timeout' AND name = 'lock_timeout' ORDER BY 1",
]  # fmt: skip
WRITES = [
    "INSERT INTO {who}.t (n, s) VALUES (1, 'one') RETURNING id", "INSERT INTO {who}.t (n, s) VALUES (2, 'two'), (3, 'thrée')", "INSERT INTO {who}.t (id) VALUES (1)",
    "INSERT INTO t (n) VALUES (7)", "UPDATE {who}.t SET n = n + 1", "DELETE FROM {who}.t", "INSERT INTO {who}.t (s) VALUES ('far too long a text')",
    "BEGIN; INSERT INTO {who}.t (n) VALUES (4); SELECT count(*) FROM {who}.t; COMMIT", "SELECT nextval('{who}.counter'), currval('{who}.counter'), lastval()",
    "INSERT INTO {who}.t (n) VALUES (5); SELECT 1/0", "WITH w AS (INSERT INTO {who}.t (n) VALUES (6) RETURNING n) SELECT n FROM w",
    "DO $$ BEGIN INSERT INTO {who}.t (n) VALUES (8); RAISE NOTICE 'noticed'; END $$", "DO $$ BEGIN RAISE EXCEPTION 'raised'; END $$", "CALL {who}.p()",
    "SELECT {who}.f(2)", "VACUUM {who}.t", "ALTER TABLE {who}.t ADD IF NOT EXISTS x int DEFAULT 9", "ALTER TABLE {who}.t DROP IF EXISTS x",
    "CREATE TABLE IF NOT EXISTS {who}.extra (a int)", "DROP TABLE IF EXISTS {who}.extra", "CREATE TABLE extra (a int)",
]  # fmt: skip
CONTROL = [
    "BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "SAVEPOINT s", "ROLLBACK TO s", "ROLLBACK TO SAVEPOINT s",
    "RELEASE s", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "PREPARE TRANSACTION 'x'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ",
    "BEGIN; SET timezone = 'America/Lima'; COMMIT", "BEGIN; SET timezone = 'Africa/Nairobi'; ROLLBACK", "BEGIN; SET lock_timeout = '5s'; SAVEPOINT s",
    "SET lock_timeout = '6s'; SELECT 1/0", "SET lock_timeout = '7s'; SELECT lock; SELECT 2", "SAVEPOINT s; SET lock_timeout = '8s'; ROLLBACK TO s; RELEASE s",
    "BEGIN; SET lock_timeout = '9s'; COMMIT; SELECT 1/0", "COMMIT; SET lock_timeout = '4s'", "SET LOCAL lock_timeout = '11s'; SHOW lock_timeout", "END", "ABORT", "START TRANSACTION",
]  # fmt: skip
STATE = [
    "CREATE TEMP TABLE temp (a int)", "CREATE TEMP TABLE IF NOT EXISTS temp (a int) ON COMMIT DELETE ROWS", "CREATE TEMP TABLE temp ON COMMIT DROP AS SELECT 1 AS a",
    "SELECT 5 AS a INTO TEMP temp", "DROP TABLE IF EXISTS temp", "INSERT INTO temp VALUES (1)", "CREATE TEMP VIEW v AS SELECT 1 AS a", "SELECT * FROM v", "DROP VIEW v",
    "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_lock(2), pg_try_advisory_lock_shared(3)", "SELECT pg_advisory_unlock(1)", "SELECT pg_advisory_unlock(2), pg_advisory_unlock_shared(3)",
    "SELECT pg_advisory_xact_lock(4)", "SELECT pg_advisory_unlock_all()", "SELECT pg_advisory_lock(1), 1/0", "LISTEN ch{who}", "UNLISTEN ch{who}", "UNLISTEN *", "NOTIFY ch{who}, 'x'", "SELECT pg_notify('ch{who}', 'y')",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 5)", "DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 5)", "FETCH 2 FROM c", "FETCH ALL FROM c", "CLOSE c", "CLOSE ALL",
    "PREPARE p AS SELECT $1::int + 1", "EXECUTE p(1)", "DEALLOCATE p", "DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES", "RESET ALL",
    "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL", "SELECT set_config('timezone', 'Asia/' || 'Tokyo', false)", "SELECT set_config('app.' || 'x', 'hidden', false)",
    "DO $$ BEGIN PERFORM set_config('lock_timeout', '12s', false); END $$", "DO $$ BEGIN SET app.y = 'do'; SET LOCAL lock_timeout = '13s'; END $$", "DO $$ BEGIN CREATE TEMP TABLE temp (a int); END $$",
    "SET ROLE two_role", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "LOCK TABLE {who}.t", "SET NAMES 'UTF8'", "SET TIME ZONE LOCAL", "SET SCHEMA '{who}'", "SET CONSTRAINTS ALL DEFERRED",
    "EXECUTE s1", "EXECUTE s2(1)", "DEALLOCATE s1", "DEALLOCATE s2; SELECT 1",
]  # fmt: skip
PREPARED = [
    ("SELECT $1::text AS p, 'é'", 1), ("SELECT id, n, s FROM {who}.t WHERE n >= $1::int ORDER BY id", 1), ("INSERT INTO {who}.t (n) VALUES ($1::int) RETURNING id, n", 1),
    ("SELECT * FROM t WHERE n >= $1::int ORDER BY 1", 1), ("SELECT no_such_column", 0), ("SELEC", 0), ("", 0), ("SELECT current_setting('timezone'), current_setting('search_path')", 0),
    ("SET timezone = 'Europe/Oslo'", 0), ("BEGIN", 0), ("COMMIT", 0), ("ROLLBACK", 0), ("SELECT * FROM temp", 0), ("SHOW lock_timeout", 0), ("SET LOCAL lock_timeout = '14s'", 0), ("SELECT 1/$1::int", 1),
    ("SELECT set_config('lock_timeout', $1 || 's', false)", 1), ("SELECT pg_advisory_lock($1::int)", 1), ("DECLARE c CURSOR FOR SELECT generate_series(1, 5)", 0), ("LISTEN ch{who}", 0), ("DISCARD ALL", 0),
    ("SELECT timestamptz '2024-02-01 00:00:00'", 0), ("CREATE TEMP TABLE temp (a int)", 0), ("SELECT generate_series(1, $1::int + 3)", 1), ("DEALLOCATE ALL", 0), ("SAVEPOINT s", 0), ("ROLLBACK TO s", 0),
]  # fmt: skip
NAMES = ("", "s1", "s2")
_SETS_BACK = ("RESET", "DEFAULT", "DISCARD ALL", "ZONE LOCAL")
"""Words of statements that set back to what was there at the start: inside a transaction, see docs/postgres.md."""


class Client:
    """One connection, and what it was told of its settings."""

    def __init__(self, target: PostgresServer | OutliveProcess, database: str, who: str) -> None:
        self.raw = Raw(target, database=database, parameters=STARTUP[who])
        self.told = dict(self.raw.told)

    def send(self, *units: bytes) -> list[Any]:
        """All that comes back for messages with as many ReadyForQuery as there are `units`."""
        self.raw.send(b"".join(units))
        found = self.raw.until("Z", len(units))
        for message in found:
            if message[0] == "S":
                self.told[message[1]] = message[2]
        return [message for message in found if message[0] != "S"]


class TwoSessions(RuleBasedStateMachine):
    """`pairs` holds the two clients each way."""

    server: ClassVar[PostgresServer]
    node: ClassVar[OutliveProcess]
    steps: ClassVar[list[str]] = []

    @initialize()
    def begin(self) -> None:
        self.steps.append("--- another example")
        self.holder = ""
        self.status = dict.fromkeys(WHO, "I")
        for database in ("two_d", "two_t"):
            _clean(self.server, database)
        self.pairs = {who: self._opened(who) for who in WHO}

    def _opened(self, who: str) -> tuple[Client, Client]:
        self.status[who] = "I"
        return Client(self.server, "two_d", who), Client(self.node, "two_t", who)

    def _both(self, who: str, what: str, *units: bytes) -> None:
        if self.holder not in (who, ""):
            self._let_go()
        self._run(who, what, *units)

    def _let_go(self) -> None:
        """There is one connection, and the other one holds it: it lets go first, as at its return to a pool."""
        for text in ("ROLLBACK", "DISCARD ALL"):
            if self.holder:
                self._run(self.holder, f"{text}, to let go", raw.query(text))
        if self.holder:
            self._reconnect(self.holder)

    def _run(self, who: str, what: str, *units: bytes) -> None:
        direct, through = self.pairs[who]
        self.steps.append(f"{who}: {what}")
        expected, found = direct.send(*units), through.send(*units)
        # A node lives through all examples, as in life; so the way here is told, should it not fail again.
        same = expected == found and direct.told == through.told
        assert same, "\n".join(
            [*self.steps[-60:], f"through {found!r}", f"direct  {expected!r}", *_differences(direct.told, through.told)]
        )
        self.status[who] = expected[-1][1] if expected[-1][0] == "Z" else "I"
        self.holder = who if _is_held(self.node) else ""

    def _query(self, who: str, text: str) -> None:
        if who == "b" and self.status[who] != "I" and any(word in text for word in _SETS_BACK):
            return
        self._both(who, text, raw.query(text.replace("{who}", who)))

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(READS))
    def read(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(READS))
    def read_again(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(WRITES))
    def write(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(CONTROL))
    def control(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(STATE))
    def state(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(sorted(SETTINGS)), way=st.integers(0, 7), data=st.data())
    def set_setting(self, who: str, name: str, way: int, data: st.DataObject) -> None:
        value = data.draw(st.sampled_from(SETTINGS[name]))
        self._query(who, _setting(name, value, way))

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(NAMES), text=st.sampled_from(PREPARED))
    def prepare(self, who: str, name: str, text: tuple[str, int]) -> None:
        sql = text[0].replace("{who}", who)
        self._extended(who, f"prepare {name!r} {sql}", raw.parse(name, sql), raw.describe("S", name))

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(NAMES), value=st.integers(0, 3), described=st.booleans())
    def execute(self, who: str, name: str, value: int, described: bool) -> None:
        self._extended(who, f"execute {name!r} {value}", *_execution(name, value, described))

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(PREPARED), value=st.integers(0, 3), named=st.booleans())
    def at_once(self, who: str, text: tuple[str, int], value: int, named: bool) -> None:
        """What most drivers send: all of it in one unit."""
        sql, name = text[0].replace("{who}", who), "once" * named
        closing = [raw.close("S", name)] * named
        messages = [raw.parse(name, sql), *_execution(name, value if text[1] else None, True), *closing]
        self._extended(who, f"at once {name!r} {sql} {value}", *messages)

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(NAMES))
    def close_statement(self, who: str, name: str) -> None:
        self._extended(who, f"close {name!r}", raw.close("S", name))

    @rule(who=st.sampled_from(WHO), rows=st.integers(1, 3))
    def portal(self, who: str, rows: int) -> None:
        messages = [raw.parse("", "SELECT generate_series(1, $1::int)"), raw.bind("p", "", "4"), raw.describe("P", "p")]
        self._extended(
            who,
            f"portal in parts of {rows}",
            *messages,
            raw.execute("p", rows),
            raw.execute("p", rows),
            raw.close("P", "p"),
        )

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(("p", "never")))
    def portal_goes_on(self, who: str, name: str) -> None:
        self._extended(who, f"portal {name} goes on", raw.execute(name, 1))

    @rule(
        who=st.sampled_from(WHO),
        parts=st.lists(st.tuples(st.sampled_from(PREPARED), st.integers(0, 2), st.booleans()), min_size=2, max_size=5),
    )
    def pipeline(self, who: str, parts: list[tuple[tuple[str, int], int, bool]]) -> None:
        """Several statements ahead, some with a Sync between them."""
        units: list[bytes] = []
        unit: list[bytes] = []
        for (text, arguments), value, ends in parts:
            if self._is_left_out(who, text):
                return
            unit += [raw.parse("", text.replace("{who}", who)), *_execution("", value if arguments else None, True)]
            if ends:
                units.append(b"".join([*unit, raw.SYNC]))
                unit = []
        if unit:
            units.append(b"".join([*unit, raw.SYNC]))
        self._both(who, f"pipeline {parts}", *units)

    @rule(
        who=st.sampled_from(WHO),
        data=st.sampled_from(("1\tx\n", "1\tx\nz\ty\n", "", None)),
        before=st.sampled_from(("", "SET lock_timeout = '15s'; ")),
    )
    def copy_in(self, who: str, data: str | None, before: str) -> None:
        head = raw.query(f"{before}COPY {who}.t (n, s) FROM STDIN; SELECT 'after'")
        tail = raw.copy_fail() if data is None else raw.copy_data(data.encode()) + raw.COPY_DONE
        if self.status[who] == "E":
            return  # it would be refused, and what follows be stray
        self._both(who, f"COPY {before}{data!r}", head + tail)

    @rule(who=st.sampled_from(WHO))
    def copy_out(self, who: str) -> None:
        self._query(who, "COPY (SELECT n, s FROM {who}.t ORDER BY id) TO STDOUT")

    @rule(who=st.sampled_from(WHO))
    def reconnect(self, who: str) -> None:
        if self.holder not in (who, ""):
            self._let_go()
        self._reconnect(who)

    def _is_left_out(self, who: str, text: str) -> bool:
        return who == "b" and any(word in text for word in _SETS_BACK)

    def _extended(self, who: str, what: str, *messages: bytes) -> None:
        if self.status[who] != "I" and self._is_left_out(who, what):
            return
        self._both(who, what, b"".join([*messages, raw.SYNC]))

    def _reconnect(self, who: str) -> None:
        for client in self.pairs[who]:
            client.raw.close()
        _wait_until_gone(self.server, self.node, who)
        if self.holder == who:
            self.holder = ""
        self.steps.append(f"{who}: reconnects")
        self.pairs[who] = self._opened(who)

    def teardown(self) -> None:
        for pair in getattr(self, "pairs", {}).values():
            for client in pair:
                client.raw.close()
        _wait_until_gone(self.server, self.node, "")


def _setting(name: str, value: str, way: int) -> str:
    if way == 1:
        return f"SET LOCAL {name} = {value}"
    if way == 2:
        return f"SET SESSION {name} TO {value}"
    if way == 3:
        return f"RESET {name}"
    if way == 4:
        return f"SET {name} TO DEFAULT"
    if way == 5 and value.startswith("'"):
        return f"SELECT set_config('{name}', {value}, false)"
    if way == 6 and value.startswith("'"):
        return f"SELECT set_config('{name}', {value}, true), 1"
    if way == 7 and name != "idle_session_timeout":  # whose SHOW has another tag there, see docs/postgres.md
        return f"SET {name} = {value}; SHOW {name}"
    return f"SET {name} = {value}"


def _execution(name: str, value: int | None, described: bool) -> Sequence[bytes]:
    values = () if value is None else (str(value),)
    return [raw.bind("", name, *values), *[raw.describe("P", "")] * described, raw.execute()]


def _differences(direct: dict[str, str], through: dict[str, str]) -> list[str]:
    return [
        f"{name}: through {through.get(name)!r}, direct {direct.get(name)!r}"
        for name in sorted(direct.keys() | through.keys())
        if direct.get(name) != through.get(name)
    ]


def _is_held(node: OutliveProcess) -> bool:
    """Whether the connection is leased still; for a moment it is while Outlive asks a question of its own."""
    return all(node.metric("outlive_leases_held") or time.sleep(0.005) for _ in range(4))


_ADMIN: dict[tuple[int, str], Any] = {}


def _admin(server: PostgresServer, database: str) -> Any:
    if (server.port, database) not in _ADMIN:
        _ADMIN[server.port, database] = server.connect(dbname=database)
    return _ADMIN[server.port, database]


def _clean(server: PostgresServer, database: str) -> None:
    admin = _admin(server, database)
    admin.execute("DROP TABLE IF EXISTS public.extra")
    for who in WHO:
        admin.execute(
            f"DROP TABLE IF EXISTS {who}.extra; TRUNCATE {who}.t RESTART IDENTITY; ALTER SEQUENCE {who}.counter RESTART; ALTER TABLE {who}.t DROP IF EXISTS x"
        )
        admin.execute(f"INSERT INTO {who}.t (n, s) VALUES (7, 'seven'), (8, 'eight')")


def _wait_until_gone(server: PostgresServer, node: OutliveProcess, who: str) -> None:
    """The end of a session is the server's to notice: what it held must be free before the next comparison."""
    held = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'two_d' AND usename = 'app' AND (%s = '' OR application_name = %s)"
    while who != "a" and _admin(server, "two_d").execute(held, (who, who)).fetchone()[0]:
        time.sleep(0.005)
    while node.metric("outlive_server_connections", state="leased") + node.metric(
        "outlive_server_connections", state="checking"
    ):
        time.sleep(0.005)
        if who and _is_held(node):
            break


@pytest.fixture
def prepared_server(pg: PostgresServer) -> Iterator[PostgresServer]:
    pg.query("CREATE ROLE two_role")
    pg.query("GRANT two_role TO app")
    for database in ("two_d", "two_t"):
        pg.query(f"CREATE DATABASE {database} OWNER app")
        with pg.connect(dbname=database, user="app", password="app-secret") as app:
            app.execute("GRANT ALL ON SCHEMA public TO PUBLIC" if database == "" else "SELECT 1")
            for who in WHO:
                app.execute(f"CREATE SCHEMA {who}")
                app.execute(f"CREATE TABLE {who}.t (id serial PRIMARY KEY, n int, s varchar(12))")
                app.execute(f"CREATE SEQUENCE {who}.counter")
                app.execute(
                    f"CREATE PROCEDURE {who}.p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO {who}.t (n) VALUES (10); COMMIT; INSERT INTO {who}.t (n) VALUES (11); END $$"
                )
                app.execute(f"CREATE FUNCTION {who}.f(v int) RETURNS int LANGUAGE sql AS 'SELECT v * 2'")
                app.execute(f"GRANT USAGE ON SCHEMA {who} TO two_role; GRANT SELECT ON {who}.t TO two_role")
    yield pg
    for database in ("two_d", "two_t"):
        _ADMIN.pop((pg.port, database)).close()


@pytest.mark.timeout(900)
def test_two_clients_see_what_private_connections_show(
    prepared_server: PostgresServer, outlive: Callable[..., OutliveProcess], count: Callable[[int, int], int]
) -> None:
    few = 2 if prepared_server.flavour == "pg18" else 100  # statements that its connection keeps
    node = outlive(
        prepared_server.url(database="two_t", max_connections=1, acquire_timeout_s=5, prepared_statements=few)
    )
    machine = type("Machine", (TwoSessions,), {"server": prepared_server, "node": node})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count(25, 1500),
            derandomize=count(1, 0) == 1,  # `make test` runs the same steps each time, `make prove` looks for new ones
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            report_multiple_bugs=False,
            phases=(Phase.explicit, Phase.generate, Phase.target),
        ),
    )
