"""The demo: both runs on the embedded database, direct and through Outlive."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from outlive.embedded import EmbeddedError, EmbeddedPostgres
from outlive.storm.errors import ScenarioError
from outlive.storm.node import Node
from outlive.storm.place import LOOPBACK, Place
from outlive.storm.plan import Target
from outlive.storm.protocol import Observer, observer_of
from outlive.storm.record import Record
from outlive.storm.scenario import Scenario, Size

DIRECT = "direct"
THROUGH = "through Outlive"
TRANSACTION_IDLE_TIMEOUT_S = 1
"""Of the demo's Outlive: its functions live for a second where others live for minutes."""


@dataclass(slots=True)
class Demo:
    """Both runs. `tell` gets one line for people at each step; `records` are there to be read while it goes on."""

    place: Place
    size: Size = field(default_factory=Size)
    max_connections: int = 50
    budget: int = 20
    tell: Callable[[str], None] = lambda line: None
    database: str = ""
    records: list[Record] = field(default_factory=list)

    def run(self) -> None:
        """Run both and remove all of it. ScenarioError when it cannot run here."""
        folder = Path(tempfile.mkdtemp(prefix="outlive-demo-"))
        try:
            self._run(folder / "data", through=False)
            self._run(folder / "data", through=True)
        except EmbeddedError as error:
            raise ScenarioError(str(error)) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, folder: Path, *, through: bool) -> None:
        """Each run has the database started anew, without what the one before left in it."""
        self.tell(f"Starting PostgreSQL with max_connections = {self.max_connections} ...")
        port = self.place.port(5432)
        with EmbeddedPostgres(
            folder, max_connections=self.max_connections, host=self.place.listen, port=port
        ) as server:
            observer = observer_of(_target(server, server.superuser, server.superuser_password_file), server.user)
            try:
                observer.prepare()
                self.database = observer.version
                self._storm(server, observer, through=through)
            finally:
                observer.close()

    def _storm(self, server: EmbeddedPostgres, observer: Observer, *, through: bool) -> None:
        node = self._node(server) if through else None
        scenario: Scenario | None = None
        try:
            target = _target(server, server.user, server.password_file, node.port if node else server.port)
            budget = self.budget if through else None
            record = Record(THROUGH if through else DIRECT, observer.limit(), budget, self.size.generations)
            scenario = Scenario(self.size, target, self.place, observer, record, node=node, tell=self.tell)
            self.records.append(record)
            self.tell(f"{self.size.functions} functions, {record.name}:")
            scenario.run()
        finally:
            if scenario is not None:
                scenario.close()
            if node is not None:
                node.kill()

    def _node(self, server: EmbeddedPostgres) -> Node:
        self.tell(f"Starting Outlive with a budget of {self.budget} connections ...")
        options = {
            "password_file": server.password_file,
            "max_connections": self.budget,
            "transaction_idle_timeout_s": TRANSACTION_IDLE_TIMEOUT_S,
        }
        query = urlencode(options, quote_via=quote, safe="/")
        url = f"postgresql://{server.user}@{LOOPBACK}:{server.port}/{server.database}?{query}"
        return Node([url], "--postgres", self.place.listen, self.place.port(6432), self.place.port(8080))


def _target(server: EmbeddedPostgres, user: str, password_file: Path, port: int | None = None) -> Target:
    password = password_file.read_text().strip()
    return Target("postgresql", LOOPBACK, port or server.port, user, server.database, password)
