"""What a PostgreSQL server says of its connections, asked on one of its own."""

from __future__ import annotations

import threading
from typing import Any

from ...servers import PostgresServer

_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Observer:
    """For the time of `with` it counts the server's connections every 10 ms, without itself.

    `most` is the highest count of `samples`.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._connection = server.connect(prepare_threshold=0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.most = 0
        self.samples = 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()  # type: ignore[call-overload]

    def _run(self) -> None:
        while not self._done.wait(0.01):
            self.most = max(self.most, int(self.rows(_COUNT)[0][0]))
            self.samples += 1

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        self._connection.close()
