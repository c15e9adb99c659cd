"""The demo: a storm on the embedded database, functions as they are and then through Outlive."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.embedded import EmbeddedError, EmbeddedPostgres
from outlive.storm import room
from outlive.storm.errors import ScenarioError
from outlive.storm.hosts import LOOPBACK
from outlive.storm.links import open_loopback
from outlive.storm.load import Load
from outlive.storm.results import Result
from outlive.storm.storm import Storm

REMEDIES: Final = ("persistent", "proxy")
_LIFETIME_S: Final = 1.5
_WORLD_LIFETIME_S: Final = 600.0


def demo_load(functions: int, generations: int) -> Load:
    """Small and quick: a newcomer waits for it."""
    return Load(
        functions=functions,
        generations=generations,
        lifetime_s=_LIFETIME_S,
        arrival_s=0.4,
        rate_per_s=3.0,
        invocation_s=0.005,
        database_s=0.002,
        rtt_s=0.0,
        time_scale=_WORLD_LIFETIME_S / _LIFETIME_S,
    )


@dataclass(slots=True)
class Demo:
    """`tell` gets one line for people at each step; `storm` is there to be looked at as soon as its database is.

    `reason`: why no links are to be cut, if they are not.
    """

    load: Load
    max_connections: int = 50
    budget: int = 20
    reason: str = ""
    tell: Callable[[str], None] = lambda line: None
    storm: Storm | None = field(default=None)

    @property
    def results(self) -> Sequence[Result]:
        """Of the remedies so far."""
        return self.storm.results if self.storm is not None else ()

    def run(self) -> None:
        """Both, and remove all of it. ScenarioError when it cannot run here."""
        if room.inside():
            open_loopback()
        folder = Path(tempfile.mkdtemp(prefix="outlive-demo-"))
        try:
            self.tell(f"Starting PostgreSQL with max_connections = {self.max_connections} ...")
            listen = room.EVERYWHERE if room.inside() else LOOPBACK
            with EmbeddedPostgres(folder / "data", max_connections=self.max_connections, host=listen) as server:
                self._run(server)
        except EmbeddedError as error:
            raise ScenarioError(str(error)) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, server: EmbeddedPostgres) -> None:
        query = urlencode({"password_file": server.password_file}, quote_via=quote, safe="/")
        url = f"postgresql://{server.user}@{LOOPBACK}:{server.port}/{server.database}?{query}"
        (database,) = load(Origin(urls=(url,)), {}).databases.values()
        self.storm = Storm(database, self.load, REMEDIES, self.budget, self.reason, self.tell)
        self.storm.run()
