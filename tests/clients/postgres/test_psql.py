"""psql: scripts with COPY, cursors, savepoints of its own, large objects; and Ctrl-C, which sends a CancelRequest."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...servers import PostgresServer
from ...servers.processes import spawn
from .target import Target

Compare = Callable[..., list[Any]]

SCRIPT = r"""
\encoding
\conninfo
SELECT current_database(), current_user, current_setting('application_name');
DROP TABLE IF EXISTS cli_items;
CREATE TABLE cli_items (id serial PRIMARY KEY, t varchar(40), n int CHECK (n < 100000));
INSERT INTO cli_items (t) VALUES ('naïve 😀'), ('b') RETURNING id;
\d cli_items
BEGIN; DELETE FROM cli_items; SELECT count(*) FROM cli_items; ROLLBACK;
SELECT 1 \; SELECT 2 \; SELECT 3;
SELECT 1/0 \; SELECT 2;
\errverbose
SELECT * FROM no_such_table;
SELECT 'goes on' AS what \gset
\echo :what :ROW_COUNT :LAST_ERROR_SQLSTATE
SELECT format('SELECT %s AS generated', i) FROM generate_series(1, 3) i \gexec
SELECT id, t FROM cli_items ORDER BY id \gx
SELECT 1 AS described, 'x'::text AS t \gdesc
COPY cli_items (t, n) FROM STDIN;
one	1
two	2
\.
COPY cli_items (n) FROM STDIN;
3
not a number
\.
\copy cli_items (n, t) FROM '{rows}' CSV
\copy cli_items (n) FROM '{rows}.missing'
\copy (SELECT n, t FROM cli_items WHERE n > 3 ORDER BY n) TO '{out}'
COPY (SELECT t FROM cli_items WHERE n < 3 ORDER BY id) TO STDOUT;
SELECT count(*), sum(n) FROM cli_items;
\set FETCH_COUNT 100
SELECT n FROM cli_items WHERE n < 250 ORDER BY n;
\unset FETCH_COUNT
\set ON_ERROR_ROLLBACK on
BEGIN;
SET timezone = 'Asia/Tokyo';
SELECT no_such_column;
SELECT 'the transaction goes on', current_setting('timezone');
COMMIT;
SHOW timezone;
\unset ON_ERROR_ROLLBACK
\set AUTOCOMMIT off
INSERT INTO cli_items (n) VALUES (77);
ROLLBACK;
\set AUTOCOMMIT on
SET search_path = rival, public;
\dt
SELECT * FROM only_here;
RESET search_path;
PREPARE p (int) AS SELECT t FROM cli_items WHERE id = $1;
EXECUTE p(1);
DEALLOCATE p;
CREATE TEMP TABLE cli_temp AS SELECT generate_series(1, 3) AS a;
SELECT a FROM cli_temp ORDER BY a;
DROP TABLE cli_temp;
LISTEN cli;
NOTIFY cli, 'heard';
UNLISTEN cli;
DO $$ BEGIN RAISE NOTICE 'noted'; END $$;
\i {more}
\lo_import '{rows}' 'a comment'
SELECT length(lo_get(:LASTOID)) AS length, lo_unlink(:LASTOID) AS unlinked;
\c other
SELECT current_database();
\c test
DROP TABLE cli_items;
"""
_DIFFERS = re.compile(
    r"Asynchronous notification .* PID \d+\.|^LOCATION: .*|lo_import \d+|(?<=lo_get\()\d+|(?<=lo_unlink\()\d+|on host .* at port .*|\(.*, server .*\)",
    re.MULTILINE,
)


def _environment(target: Target) -> dict[str, str]:
    account = target.account
    return {
        **os.environ, "PGHOST": target.host, "PGPORT": str(target.port), "PGUSER": account.user, "PGPASSWORD": account.password,
        "PGDATABASE": target.database, "PGCLIENTENCODING": "UTF8", "PSQLRC": "/dev/null", "PAGER": "cat", "TERM": "dumb",
    }  # fmt: skip


def _run(target: Target, *options: str, script: str = "") -> list[Any]:
    done = subprocess.run(
        ["psql", "-X", *options],
        env=_environment(target),
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = _DIFFERS.sub("...", done.stdout + done.stderr)
    return [done.returncode, *text.splitlines()]


@pytest.mark.parametrize(
    "options", [[], ["-A", "-e"], ["-v", "VERBOSITY=verbose", "-q"]], ids=["plain", "echoed", "verbose"]
)
def test_a_script(options: list[str], compare: Compare, tmp_path: Path) -> None:
    rows, more, out = tmp_path / "rows.csv", tmp_path / "more.sql", tmp_path / "out.tsv"
    rows.write_text("".join(f"{n},row {n}\n" for n in range(4000)))
    more.write_text(
        "SELECT 'from a file';\nINSERT INTO cli_items (n) VALUES (7);\nBEGIN; INSERT INTO cli_items (n) VALUES (8); SELECT lastval() > 0; COMMIT;\n"
    )
    script = SCRIPT.replace("{more}", str(more)).replace("{rows}", str(rows)).replace("{out}", str(out))

    def scenario(target: Target) -> list[Any]:
        return [*_run(target, *options, script=script), out.read_text()]

    compare(scenario)


def test_its_options(compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        return [
            _run(target, "-l")[0],
            _run(target, "-c", "SELECT 1; SELECT 2", "-c", "SELECT 3"),
            _run(target, "-1", "-c", "CREATE TABLE gone (a int)", "-c", "SELECT 1/0"),
            _run(target, "-c", "SELECT * FROM gone"),
            _run(target, "-v", "ON_ERROR_STOP=1", script="SELECT 1/0;\nSELECT 'not reached';\n"),
            _run(target, "-At", "-c", "COPY (SELECT generate_series(1, 5)) TO STDOUT"),
            _run(target, "-S", script="SELECT 1\nSELECT 2\n"),
            _run(target, "options='-c statement_timeout=3s -c app.x=y' application_name=named", "-Atc", "SELECT current_setting('statement_timeout'), current_setting('app.x'), current_setting('application_name')"),
            _run(target, "dbname=no_such_database"),
        ]  # fmt: skip

    def without_ports(target: Target) -> list[Any]:
        return [str(found).replace(str(target.port), "PORT") for found in scenario(target)]

    compare(without_ports)


class Terminal:
    """psql as somebody sits before it."""

    def __init__(self, target: Target) -> None:
        self.near, far = pty.openpty()
        command = ["psql", "-X", "-n", "-v", "PROMPT1=READY> ", "-v", "PROMPT2=", "-v", "PROMPT3="]
        self.popen = spawn(command, stdin=far, stdout=far, stderr=far, env=_environment(target))
        os.close(far)
        self.seen = ""

    def wait(self, pattern: str, timeout_s: float = 20.0) -> str:
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.seen)):
            if not select.select([self.near], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern} in {self.seen!r}")
            self.seen += os.read(self.near, 65536).decode(errors="replace")
        self.seen, before = self.seen[found.end() :], self.seen[: found.end()]
        return before

    def type(self, text: str) -> None:
        os.write(self.near, text.encode())

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        os.close(self.near)


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(30)", "BEGIN; SELECT pg_sleep(30)"])
def test_ctrl_c_interrupts_the_statement_and_not_the_session(
    through: Target, pg: PostgresServer, statement: str, eventually: Callable[..., None]
) -> None:
    terminal = Terminal(through)
    try:
        terminal.wait("READY> ")
        terminal.type("SET app.kept = 'kept by the session';\n")
        terminal.wait("SET[^>]*READY> ")
        begun = time.monotonic()
        terminal.type(f"{statement};\n")
        eventually(lambda: pg.query("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"))
        os.kill(terminal.popen.pid, signal.SIGINT)
        terminal.wait(r"canceling statement due to user request")
        assert time.monotonic() - begun < 25
        terminal.wait("READY> ")
        terminal.type("ROLLBACK; SHOW app.kept;\n")
        terminal.wait(r"kept by the session")
    finally:
        terminal.close()
