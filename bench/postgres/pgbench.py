"""Runs of pgbench: what is offered, and what it counted."""

import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Postgres15
from tests.servers.database import APP
from tests.servers.processes import run

from ..rounds import Measured
from ..route import Route

FOLDER = Path(__file__).parent
THREADS = 2
# The times of all transactions, written to a file, would be a load of their own.
SAMPLED = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """A mode of pgbench (`simple`, `extended`, `prepared`) and the number of clients; `script` is a file of this folder
    instead of the point select, `reconnect` a connection for every transaction.
    """

    mode: str
    clients: int
    tls: bool = False
    reconnect: bool = False
    script: str = ""

    def __str__(self) -> str:
        more = [self.script or "select", *(["reconnect"] if self.reconnect else []), *(["TLS"] if self.tls else [])]
        return f"{self.mode} {' '.join(more)} {self.clients} clients"

    def arguments(self) -> list[str]:
        # A thread makes one connection after the other, so those that reconnect get one each.
        threads = self.clients if self.reconnect else min(THREADS, self.clients)
        what = ["-f", str(FOLDER / self.script)] if self.script else ["-S"]
        return ["-M", self.mode, "-c", str(self.clients), "-j", str(threads), *what, *(["-C"] * self.reconnect)]


def prepare(route: Route) -> None:
    """Make and fill the tables (100,000 accounts), straight at the database."""
    _pgbench(route, "-i", "-s", "1", "-q")


def measure(route: Route, load: Load, seconds: int) -> Measured:
    """Offer a load for some seconds. ServerError when pgbench fails, for example at the first error of a query.

    CPU and time are those of the transactions alone: what the logins of as many clients took, with one transaction
    each, is taken off. Where each transaction has a connection of its own, its login counts.
    """
    logins_s, first, spared = 0.0, 0, 0.0
    if not load.reconnect:
        spared, text = _used(route, load, "-t", "1")
        # pgbench's clock for -T begins before its clients log in.
        logins_s = float(_found(r"initial connection time = ([\d.]+) ms", text)) / 1000
        first = load.clients
    with tempfile.TemporaryDirectory() as folder:
        log = ["--log", f"--log-prefix={folder}/times", f"--sampling-rate={SAMPLED}"]
        used, text = _used(route, load, "-T", str(math.ceil(seconds + logins_s)), *log)
        p95_ms = _p95_ms(Path(folder))
    transactions = int(_found(r"transactions actually processed: (\d+)", text)) - first
    return Measured(float(_found(r"tps = ([\d.]+)", text)), p95_ms, (used - spared) / max(transactions, 1) * 1e6)


def _p95_ms(folder: Path) -> float:
    """Of the times that pgbench wrote: the third column, microseconds."""
    lines = (line for path in folder.iterdir() for line in path.read_text().splitlines())
    times = sorted(int(line.split(" ", 3)[2]) for line in lines)
    return times[int(len(times) * 0.95)] / 1000 if times else math.nan


def _used(route: Route, load: Load, *arguments: str) -> tuple[float, str]:
    """CPU seconds of the relay during a run, and what pgbench wrote."""
    before = route.cpu_s()
    text = _pgbench(route, "-n", *arguments, *load.arguments(), tls=load.tls)
    return route.cpu_s() - before, text


def _pgbench(route: Route, *arguments: str, tls: bool = False) -> str:
    environment = {
        "PGHOST": route.host,
        "PGPORT": str(route.port),
        "PGUSER": APP.user,
        "PGPASSWORD": APP.password,
        "PGDATABASE": "test",
        "PGSSLMODE": "require" if tls else "disable",
        "PGGSSENCMODE": "disable",
    }
    return run([str(Postgres15.programs() / "pgbench"), *arguments], environment=environment, timeout_s=600)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"pgbench did not say {pattern!r}:\n{text}")
    return found[1]
