"""What a server says of its connections, asked on one of its own."""

import threading
import time
from typing import Any

from .database import DatabaseServer


class Watch:
    """One connection to a server, for what it says about the others. `own` is its id there."""

    def __init__(self, server: DatabaseServer) -> None:
        self._connection = server.connect()
        self._lock = threading.Lock()
        self.own = self._connection.thread_id()

    def rows(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchall())

    def status(self, name: str) -> int:
        """A numeric status variable."""
        return int(self.rows(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])

    def transactions(self) -> int:
        """Open InnoDB transactions, as of now: innodb_trx shows what it showed before until nobody asked for 100 ms."""
        time.sleep(0.11)
        return int(self.rows("SELECT COUNT(*) FROM information_schema.innodb_trx")[0][0])

    def running(self, text: str) -> int:
        """Statements that contain `text`."""
        return int(
            self.rows(
                "SELECT COUNT(*) FROM information_schema.processlist "
                f"WHERE id <> {self.own} AND command <> 'Sleep' AND info LIKE '%{text}%'"
            )[0][0]
        )

    def connections(self, user: str = "app") -> list[int]:
        return [
            int(row[0])
            for row in self.rows(f"SELECT id FROM information_schema.processlist WHERE user = '{user}' ORDER BY id")
        ]

    def close(self) -> None:
        self._connection.close()


class Observer(Watch):
    """For the time of `with` it counts the server's connections every 10 ms, without itself.

    `most` is the highest count of `samples`. The counter is the server's own, as max_connections limits it: the list of
    processes shows a connection for a while after its end. Who asks for something else meanwhile asks here, or counts.
    """

    def __init__(self, server: DatabaseServer) -> None:
        super().__init__(server)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.most = 0
        self.samples = 0

    def _run(self) -> None:
        while not self._done.wait(0.01):
            self.most = max(self.most, self.status("Threads_connected") - 1)
            self.samples += 1

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        self.close()
