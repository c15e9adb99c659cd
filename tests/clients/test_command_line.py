"""The mariadb command line: batches, `source`, LOAD DATA LOCAL, `use`, and Ctrl-C, which sends KILL QUERY."""

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

from ..servers import DatabaseServer
from ..servers.processes import spawn
from .rival import Rival
from .target import Target

SCRIPT = r"""
SELECT DATABASE(), CURRENT_USER(), @@character_set_client, @@autocommit;
DROP TABLE IF EXISTS cli_items;
CREATE TABLE cli_items (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(40), n INT);
INSERT INTO cli_items (t) VALUES ('naïve 😀'), ('b');
SELECT LAST_INSERT_ID(), ROW_COUNT();
SET @a = 5, @b = 'x';
SELECT @a, @b, t, HEX(t) FROM cli_items;
BEGIN; DELETE FROM cli_items; SELECT COUNT(*) FROM cli_items; ROLLBACK;
SELECT COUNT(*) FROM cli_items;
\u other
SELECT DATABASE();
use test
SELECT * FROM no_such_table;
SELECT 'goes on';
INSERT IGNORE INTO cli_items (n) VALUES ('x');
SHOW WARNINGS;
SELECT CAST('1x' AS SIGNED)\G
SELECT 1, 2\g
delimiter //
CREATE OR REPLACE VIEW cli_view AS SELECT t FROM cli_items; SELECT COUNT(*) FROM cli_view//
delimiter ;
DROP VIEW cli_view;
source {more}
LOAD DATA LOCAL INFILE '{rows}' INTO TABLE cli_items FIELDS TERMINATED BY ',' (n, t);
LOAD DATA LOCAL INFILE '{rows}.missing' INTO TABLE cli_items;
SELECT COUNT(*), SUM(n) FROM cli_items;
\s
\R prompt>
DESCRIBE cli_items;
SHOW CREATE TABLE cli_items;
PREPARE p FROM 'SELECT t FROM cli_items WHERE id = ?';
EXECUTE p USING @a;
DEALLOCATE PREPARE p;
DROP TABLE cli_items;
"""
_DIFFERS = re.compile(
    r"^(Connection id|Server version|Server:|TCP port|Uptime|Threads|UNIX socket|SSL|Connection:|mariadb  Ver|Protocol).*$"
    r"|Cipher in use is .*|^--------------$", re.MULTILINE
)  # fmt: skip
_CAPABILITIES = 0x80 | 0x10000 | 0x20000
"""LOCAL_FILES, MULTI_STATEMENTS, MULTI_RESULTS, as the command line logs in."""


def _command(target: Target, *options: str) -> list[str]:
    account = target.account
    return [
        "mariadb", "--no-defaults", "-h", target.host, "-P", str(target.port), "-u", account.user, f"-p{account.password}",
        "--default-character-set=utf8mb4", "--local-infile=1", *options, target.database,
    ]  # fmt: skip


def test_a_script(compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    rows, more = tmp_path / "rows.csv", tmp_path / "more.sql"
    rows.write_text("".join(f"{n},row {n}\n" for n in range(4000)))
    more.write_text(
        "SELECT 'from a file';\nINSERT INTO cli_items (n) VALUES (7);\nSELECT LAST_INSERT_ID() > 0, n FROM cli_items WHERE n = 7;\n"
    )
    script = SCRIPT.replace("{more}", str(more)).replace("{rows}", str(rows))

    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            _command(target, "--force", "--table", "--show-warnings", "-vv"),
            input=script, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        text = _DIFFERS.sub("", re.sub(r"\([\d.]+ sec\)", "", done.stdout + done.stderr))
        return [done.returncode, *text.splitlines()]

    compare(scenario, Rival.at(through, client_flag=_CAPABILITIES))


class Terminal:
    """The command line as somebody sits before it."""

    def __init__(self, target: Target) -> None:
        self.near, far = pty.openpty()
        self.popen = spawn(_command(target, "--prompt=READY> ", "--no-beep"), stdin=far, stdout=far, stderr=far)
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


@pytest.mark.parametrize("statement", ["SELECT SLEEP(30) AS slept", "BEGIN; SELECT SLEEP(30) AS slept"])
def test_ctrl_c_interrupts_the_statement_and_not_the_session(
    through: Target, server: DatabaseServer, statement: str, eventually: Callable[..., None]
) -> None:
    terminal = Terminal(through)
    try:
        terminal.wait("READY> ")
        terminal.type("SET @kept = 'kept by the session';\n")
        terminal.wait("Query OK[^>]*READY> ")
        begun = time.monotonic()
        terminal.type(f"{statement};\n")
        sleeping = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%'"
        eventually(lambda: server.query(sleeping))
        os.kill(terminal.popen.pid, signal.SIGINT)
        terminal.wait(r"(Ctrl-C|\^C) -- query killed|Query execution was interrupted")
        assert time.monotonic() - begun < 25
        terminal.wait("READY> ")
        terminal.type("SELECT @kept AS what;\n")
        terminal.wait(r"\| kept by the session \|")
    finally:
        terminal.close()
