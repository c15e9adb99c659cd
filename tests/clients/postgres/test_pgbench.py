"""pgbench: many clients on one connection in each of its modes, with a connection a transaction, and scripts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...servers import OutliveProcess, PostgresServer
from .target import Target

SCRIPT = """
\\set aid random(1, 20000)
\\set mine random(1, 1000000)
BEGIN;
SELECT set_config('app.mine', :mine::text, true);
SELECT current_setting('app.mine')::int = :mine AS own \\gset
\\if :own
\\else
SELECT 'somebody else' / 0;
\\endif
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
END;
SELECT :mine + 0 AS answer \\gset
SELECT 1 / (CASE WHEN :answer = :mine THEN 1 ELSE 0 END);
"""
SEVERAL = "SELECT 1 AS one \\; SELECT :mine AS two \\gset second_\n"
PIPELINE = """
\\set aid random(1, 20000)
\\startpipeline
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT 1;
END;
SELECT 2;
\\endpipeline
SELECT 3;
"""


# pgbench waits for its Parse: a thread does nothing for its other clients meanwhile, who may have what it waits for.
THREADS = {"simple": "2", "extended": "2", "prepared": "20"}


@pytest.fixture(scope="module")
def node(pg: PostgresServer) -> Iterator[OutliveProcess]:
    """With two connections for all."""
    with OutliveProcess(pg.url(max_connections=2, acquire_timeout_s=30)) as node:
        _pgbench(Target.through(node), "-i", "-q", "-s", "1")  # COPY, and what a schema takes, through it too
        yield node


def _pgbench(target: Target, *options: str) -> str:
    account = target.account
    environment = {
        **os.environ, "PGHOST": target.host, "PGPORT": str(target.port), "PGUSER": account.user, "PGPASSWORD": account.password,
        "PGDATABASE": target.database,
    }  # fmt: skip
    done = subprocess.run(
        ["pgbench", *options], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "abort" not in done.stderr, done.stderr
    return done.stdout


def _check(text: str, transactions: int) -> None:
    assert re.search(rf"processed: {transactions}/{transactions}$", text, re.MULTILINE), text
    assert re.search(r"failed transactions: 0 ", text), text


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("reconnects", [False, True], ids=["kept", "-C"])
def test_tpcb(mode: str, reconnects: bool, node: OutliveProcess, pg: PostgresServer) -> None:
    target = Target.through(node)
    each = 3 if reconnects else 25
    pg.query("TRUNCATE pgbench_history")
    pg.query("UPDATE pgbench_accounts SET abalance = 0 WHERE abalance <> 0")
    pg.query("UPDATE pgbench_tellers SET tbalance = 0")
    pg.query("UPDATE pgbench_branches SET bbalance = 0")
    text = _pgbench(
        target,
        "-n",
        "-M",
        mode,
        "-c",
        "20",
        "-j",
        THREADS[mode],
        "-t",
        str(each),
        "--max-tries",
        "1",
        *["-C"] * reconnects,
    )
    _check(text, 20 * each)
    sums = pg.query(
        "SELECT (SELECT count(*) FROM pgbench_history), (SELECT sum(delta) FROM pgbench_history), (SELECT sum(abalance) FROM pgbench_accounts), "
        "(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)"
    )[0]
    assert sums[0] == 20 * each
    assert len(set(sums[1:])) == 1


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_scripts(mode: str, node: OutliveProcess, pg: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text(SCRIPT + SEVERAL * (mode == "simple"))
    (tmp_path / "pipeline.sql").write_text(PIPELINE)
    for target in (Target.direct(pg), Target.through(node)):
        _check(
            _pgbench(
                target, "-n", "-M", mode, "-c", "15", "-j", THREADS[mode], "-t", "15", "-f", str(tmp_path / "own.sql")
            ),
            15 * 15,
        )
        if mode != "simple":
            _check(
                _pgbench(
                    target,
                    "-n",
                    "-M",
                    mode,
                    "-c",
                    "15",
                    "-j",
                    THREADS[mode],
                    "-t",
                    "15",
                    "-f",
                    str(tmp_path / "pipeline.sql"),
                ),
                15 * 15,
            )


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_retries_after_serialization_failures(
    mode: str, node: OutliveProcess, pg: PostgresServer, tmp_path: Path
) -> None:
    """Two transactions at once on the same rows: the server refuses one of them, and pgbench tries it again."""
    pg.query("CREATE TABLE IF NOT EXISTS contended (n int)")
    pg.query("TRUNCATE contended")
    pg.query("INSERT INTO contended VALUES (0)")
    pg.query("GRANT ALL ON contended TO app")
    path = tmp_path / "contended.sql"
    path.write_text(
        "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT n FROM contended;\nUPDATE contended SET n = n + 1;\nEND;\n"
    )
    options = ["-n", "-M", mode, "-c", "6", "-j", THREADS[mode], "-t", "20", "--max-tries", "1000", "-f", str(path)]
    _check(_pgbench(Target.through(node), *options), 120)
    assert pg.query("SELECT n FROM contended") == ((120,),)
