"""Outlive itself, as a user starts it."""

import contextlib
import http.client
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from pymysql.connections import Connection

from .database import APP, Account, DatabaseServer, connect
from .namespaces import Namespace
from .postgres import PostgresServer
from .processes import Process, ServerError, eventually, free_port, own_folder


class OutliveProcess:
    """`python -m outlive serve ...` on free ports, ready when the constructor returns.

    `target` is one URL, several, or the text of a configuration in TOML (anything with a newline); the listeners'
    addresses are given as arguments and override the configuration's. `host` is where it listens, `namespace` the host
    of a `Network` on which it runs. `arguments` are appended.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        host: str = "127.0.0.1",
        namespace: Namespace | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        pg_port: int | None = None,
        http_port: int | None = None,
        wait: bool = True,
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.pg_port = pg_port or free_port()
        self.tcp_port = free_port()
        self.http_host = "127.0.0.1"
        self.http_port = http_port or free_port()
        self.folder = own_folder("node")
        self.configuration: Path | None = None
        if isinstance(target, str) and "\n" in target:
            self.configuration = self.folder / "outlive.toml"
            self.configuration.write_text(target)
            what = ["--config", str(self.configuration)]
        else:
            what = [target] if isinstance(target, str) else list(target)
        self._namespace = namespace
        self._environment = {"PYTHONUNBUFFERED": "1", **(environment or {})}
        self._command = [
            sys.executable,
            "-m",
            "outlive",
            "serve",
            *what,
            "--mysql",
            f"{host}:{self.port}",
            "--postgres",
            f"{host}:{self.pg_port}",
            "--tcp",
            f"{host}:{self.tcp_port}",
            "--http",
            f"{self.http_host}:{self.http_port}",
            *arguments,
        ]
        self.process = self._start()
        if wait:
            self.wait_ready()

    def _start(self) -> Process:
        return Process(
            self._command,
            name="outlive",
            namespace=self._namespace.name if self._namespace else None,
            environment=self._environment,
            folder=self.folder,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it wrote on standard error so far."""
        return self.process.log

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Return when `/readyz` answers 200; ServerError with the log when it ends or the time is up first."""
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz")[0] == 200:
                    return
            # Woken by each line that it writes, and by its end; the bound is for the time between the last line and
            # the open port.
            if not self.process.wait_change(0.02):
                raise ServerError(f"outlive ended with {self.process.popen.poll()} before it was ready:\n{self.log}")
            if time.monotonic() > deadline:
                raise ServerError(f"outlive was not ready in {timeout_s} s:\n{self.log}")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one HTTP request to its operations port."""
        return self._namespace.call(self._get, path) if self._namespace else self._get(path)

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.http_host, self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of one metric whose labels contain `labels`; 0.0 when there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
                if labels.items() <= has.items():
                    total += float(found[3])
        return total

    def wait_settled(self) -> None:
        """Returns when no lease is held and no server connection is on its way.

        A client has its answer before Outlive has asked what its statement did to the session (a driver's SET NAMES),
        and before a dial that nobody needs any more is over.
        """
        busy = ("leased", "dialing", "converting", "checking")
        eventually(lambda: not any(self.metric("outlive_server_connections", state=state) for state in busy))

    def wait_ends(self, server: DatabaseServer | PostgresServer) -> None:
        """Returns when it has seen the end of all its connections to a server that was stopped, or that killed them.

        Without clients at work and without min_idle, or else there are new ones.
        """
        where = f"{server.host}:{server.port}"
        eventually(lambda: self.metric("outlive_server_connections", server=where) == 0)

    def connect(self, account: Account = APP, **options: Any) -> "Connection[Any]":
        """A PyMySQL connection through it."""
        return connect(account, **{"host": self.host, "port": self.port, **options})

    def pg(self, account: Account = APP, **options: Any) -> "psycopg.Connection[Any]":
        """A psycopg connection through it."""
        defaults: dict[str, Any] = {
            "host": self.host,
            "port": self.pg_port,
            "user": account.user,
            "password": account.password,
            "dbname": "test",
            "autocommit": True,
            "connect_timeout": 10,
        }
        return psycopg.connect(**{**defaults, **options})

    def signal(self, number: int) -> None:
        self.process.signal(number)

    def stop(self, timeout_s: float = 40.0) -> int:
        """SIGTERM; returns its exit status when it has drained."""
        return self.process.stop(timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "OutliveProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
