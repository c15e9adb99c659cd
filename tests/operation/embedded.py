"""What the tests of the embedded database share: a process that owns one, and a way in."""

import json
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from outlive.embedded import EmbeddedPostgres
from tests.servers import Process

OWNER = """
import json, sys, threading
from collections.abc import Sequence
from pathlib import Path
from outlive.embedded import EmbeddedError, EmbeddedPostgres
try:
    server = EmbeddedPostgres(Path(sys.argv[1]) if sys.argv[1] else None)
except EmbeddedError as error:
    sys.exit(f"refused: {error}")
print("up " + json.dumps([server.pid, server.port, str(server.folder)]), flush=True)
threading.Event().wait()
"""


class Owner:
    """Another process that starts the embedded database in `folder` and does nothing else; ready when constructed."""

    def __init__(self, folder: Path | None, *, program: Sequence[str] = (sys.executable,), **environment: str) -> None:
        command = [*program, "-c", OWNER, str(folder or "")]
        self.process = Process(command, name="owner", environment=environment)
        line = self.process.wait_line("^(up|refused)", 60)
        assert line.startswith("up "), line
        self.pid, self.port, where = json.loads(line[3:])
        self.folder = Path(where)
        self._server = os.pidfd_open(self.pid)

    def server_ended(self, timeout_s: float) -> bool:
        """Whether the server's first process ends within the time."""
        return bool(select.select([self._server], [], [], timeout_s)[0])

    def close(self) -> None:
        self.process.close()
        assert self.server_ended(30)
        os.close(self._server)

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    server: EmbeddedPostgres | Owner, user: str = EmbeddedPostgres.user, **options: Any
) -> "psycopg.Connection[Any]":
    """A connection straight to it, in the way of its users: TCP and the password from the file."""
    defaults: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": user,
        "password": (server.folder / f"{user}.password").read_text().strip(),
        "dbname": EmbeddedPostgres.database,
        "autocommit": True,
        "connect_timeout": 10,
    }
    return psycopg.connect(**{**defaults, **options})
