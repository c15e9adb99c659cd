"""Generations of functions that start at once, work, and vanish; what the database makes of it is counted."""

import json
import secrets
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .children import Child, ScenarioError
from .database import Database
from .hosts import Hosts, in_namespace

GENERATION_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 20.0
DRAIN_TIMEOUT_S = 40.0
SAMPLE_EVERY_S = 0.02
# How long after the last function's death the database is looked at: Outlive's bounds are below it.
SETTLE_S = 4.0


@dataclass(slots=True)
class Size:
    """How large the scenario is."""

    generations: int = 5
    functions: int = 40  # a generation
    max_connections: int = 30  # of the database
    budget: int = 20  # of Outlive

    @property
    def total(self) -> int:
        return self.generations * self.functions


@dataclass(slots=True)
class Figures:
    """What was counted in one run."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of the functions that were served
    peak_connections: int = 0
    dangling: int = 0  # connections whose functions are all gone, `SETTLE_S` after the last one died
    open_transactions: int = 0

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds) if self.seconds else 0.0


class Scenario:
    """One run: a database, optionally Outlive before it, and the generations.

    `progress` gets one line at a time for people.
    """

    def __init__(self, size: Size, *, through_outlive: bool, progress: Callable[[str], None]) -> None:
        self._size = size
        self._through = through_outlive
        self._progress = progress
        self._password = secrets.token_hex(8)
        self._hosts = Hosts() if Hosts.possible() else None
        self._namespace = self._hosts.server if self._hosts else None
        # On a host of its own every address and port is free; on this machine only the loopback is used.
        self._listen = "0.0.0.0" if self._hosts else "127.0.0.1"  # noqa: S104
        self._database_port = 3306 if self._hosts else _free_port()
        self._outlive_port = 6033 if self._hosts else _free_port()
        self._http_port = 8080 if self._hosts else _free_port()
        self._database: Database | None = None
        self._node: Child | None = None
        self._node_log: list[str] = []
        self._frozen: list[Child] = []
        self._figures = Figures()

    @property
    def deaths(self) -> str:
        """How functions die on this machine, in words."""
        return "their host's link is cut" if self._hosts else "frozen, sockets open (as root their hosts would vanish)"

    def run(self) -> Figures:
        """Run it to the end, and remove all of it. ScenarioError when it cannot run here."""
        try:
            self._database = Database(
                self._listen,
                self._database_port,
                max_connections=self._size.max_connections,
                password=self._password,
                namespace=self._namespace,
            )
            if self._through:
                self._start_outlive()
            self._run_generations(self._database)
        finally:
            self._close()
        return self._figures

    def _start_outlive(self) -> None:
        # The password goes by the environment, since arguments are for everybody to see.
        url = (
            f"mysql://app@127.0.0.1:{self._database_port}/shop?password_env=OUTLIVE_DEMO_PASSWORD"
            f"&max_connections={self._size.budget}&transaction_idle_timeout_s=2"
        )
        listeners = ["--mysql", f"{self._listen}:{self._outlive_port}", "--http", f"127.0.0.1:{self._http_port}"]
        command = [sys.executable, "-m", "outlive", "serve", url, *listeners]
        self._node = Child(command, self._node_log.append, namespace=self._namespace, environment=self._environment())
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._accepts(self._outlive_port):
            if self._node.ended.wait(0.05) or time.monotonic() > deadline:
                raise ScenarioError(f"Outlive did not start: {' / '.join(self._node_log[-5:])}")

    def _environment(self) -> dict[str, str]:
        return {"OUTLIVE_DEMO_PASSWORD": self._password}

    def _accepts(self, port: int) -> bool:
        if self._namespace is None:
            return _connects(port)
        return in_namespace(self._namespace, _connects, port)

    def _run_generations(self, database: Database) -> None:
        done = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(database, done), daemon=True)
        sampler.start()
        try:
            for generation in range(self._size.generations):
                before = self._figures.outcomes.copy()
                self._run_generation(generation)
                now = self._figures.outcomes - before
                told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(now.items()))
                self._progress(
                    f"  generation {generation + 1} of {self._size.generations}: {told}; then all of them vanish"
                )
            # What is looked at is what the dead leave behind after a stated time, so this waits for exactly that time.
            done.wait(SETTLE_S)
        finally:
            done.set()
            sampler.join()
        self._figures.open_transactions = database.open_transactions()
        if self._node is not None:
            # Its own connections, open for the next functions, are no orphans; what is left after it has ended would
            # be.
            self._node.stop(DRAIN_TIMEOUT_S)
        self._figures.dangling = database.connections()

    def _sample(self, database: Database, done: threading.Event) -> None:
        while not done.wait(SAMPLE_EVERY_S):
            self._figures.peak_connections = max(self._figures.peak_connections, database.connections())

    def _run_generation(self, generation: int) -> None:
        port = self._outlive_port if self._through else self._database_port
        host = self._hosts.add_client() if self._hosts else None
        all_done = threading.Event()

        def on_line(line: str) -> None:
            if line == "done":
                all_done.set()
            elif line.startswith("{"):
                self._count(json.loads(line))

        first = generation * self._size.functions
        where = [host.server if host else "127.0.0.1", str(port)]
        child = Child(
            [sys.executable, "-m", "outlive.storm.functions", *where, str(first), str(self._size.functions)],
            on_line,
            namespace=host.name if host else None,
            environment=self._environment(),
        )
        if not all_done.wait(GENERATION_TIMEOUT_S):
            child.kill()
            raise ScenarioError(f"a generation of functions did not end in {GENERATION_TIMEOUT_S:.0f} s")
        if host is not None:
            host.cut()
            child.kill()  # the FINs of its sockets are lost
        else:
            child.freeze()
            self._frozen.append(child)

    def _count(self, result: dict[str, object]) -> None:
        outcome = str(result["outcome"])
        self._figures.outcomes[outcome] += 1
        if outcome == "served":
            self._figures.seconds.append(float(str(result["seconds"])))

    def _close(self) -> None:
        for child in self._frozen:
            child.kill()
        if self._node is not None:
            self._node.kill()
        if self._database is not None:
            self._database.close()
        if self._hosts is not None:
            self._hosts.close()


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
