"""A small MariaDB of the scenario's own, with few connections."""

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import pymysql

from .children import Child, ScenarioError, program
from .functions import ITEMS

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class Database:
    """MariaDB on `host`:`port` (in a network namespace, if one is named) with a fresh data folder, ready when
    constructed. `close` removes all of it.
    """

    def __init__(
        self, host: str, port: int, *, max_connections: int, password: str, namespace: str | None = None
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="outlive-demo-"))
        self._socket = self._folder / "s.sock"
        self._log: list[str] = []
        self._ready = threading.Event()
        self._child: Child | None = None
        try:
            self._install()
            # One more than asked for, since the observer's own connection takes one.
            self._start(host, port, max_connections + 1, namespace)
            self._observer = pymysql.connect(unix_socket=str(self._socket), user="root", autocommit=True)
            self._prepare(password)
        except BaseException:
            self.close()
            raise

    def _user(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def _install(self) -> None:
        install = program("mariadb-install-db", "mariadb-server")
        options = [f"--datadir={self._folder / 'data'}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(
            [install, "--no-defaults", *options, *self._user()], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ScenarioError(f"mariadb-install-db failed: {done.stderr.strip()[-500:]}")

    def _start(self, host: str, port: int, max_connections: int, namespace: str | None) -> None:
        options = {
            "datadir": self._folder / "data",
            "socket": self._socket,
            "bind-address": host,
            "port": port,
            "max-connections": max_connections,
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-lock-wait-timeout": 5,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        command = [
            program("mariadbd", "mariadb-server"),
            "--no-defaults",
            *self._user(),
            "--skip-name-resolve",
            *arguments,
        ]
        self._child = Child(command, self._on_line, namespace=namespace)
        if not self._ready.wait(START_TIMEOUT_S):
            raise ScenarioError(f"MariaDB did not start: {' / '.join(self._log[-5:])}")

    def _on_line(self, line: str) -> None:
        self._log.append(line)
        if "ready for connections" in line:
            self._ready.set()

    def _prepare(self, password: str) -> None:
        self._run("DELETE FROM mysql.global_priv WHERE User = ''")
        self._run("FLUSH PRIVILEGES")
        self._run("CREATE DATABASE shop")
        self._run("USE shop")
        self._run("CREATE USER app@'%%' IDENTIFIED BY %s", password)
        self._run("GRANT ALL ON shop.* TO app@'%'")
        self._run("CREATE TABLE shop.orders (function_number INT, turn INT, PRIMARY KEY (function_number, turn))")
        self._run("CREATE TABLE shop.stock (item INT PRIMARY KEY, amount INT)")
        self._run(f"INSERT INTO shop.stock SELECT seq, 1000 FROM seq_0_to_{ITEMS - 1}")

    def _run(self, statement: str, *parameters: object) -> tuple[tuple[Any, ...], ...]:
        with self._observer.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return tuple(cursor.fetchall())

    def connections(self) -> int:
        """How many connections the server counts, without the observer's."""
        return int(self._run("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1]) - 1

    def open_transactions(self) -> int:
        """How many transactions are open: each may hold locks."""
        return int(self._run("SELECT COUNT(*) FROM information_schema.innodb_trx")[0][0])

    def close(self) -> None:
        """End it and remove its data."""
        if self._child is not None:
            self._child.stop(STOP_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)
