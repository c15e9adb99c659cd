"""Runs of sysbench: what is offered, and what it counted."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.servers.database import APP
from tests.servers.processes import program, run

from ..rounds import Measured
from ..route import Route

TABLE_ROWS = 10_000
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """A sysbench script, the protocol (`text` or `prepared`), and the number of clients."""

    script: str
    protocol: str
    clients: int

    def __str__(self) -> str:
        return f"{self.script} {self.protocol} {self.clients} clients"


def prepare(route: Route) -> None:
    """Make and fill the table, straight at the database."""
    _sysbench(route, "oltp_point_select", "prepare", f"--table-size={TABLE_ROWS}")


def measure(route: Route, load: Load, seconds: int) -> Measured:
    """Offer a load for some seconds. ServerError when sysbench fails, for example at the first error of a query."""
    before = route.cpu_s()
    text = _sysbench(
        route,
        load.script,
        "run",
        f"--table-size={TABLE_ROWS}",
        f"--threads={load.clients}",
        f"--time={seconds}",
        "--db-ps-mode=" + ("auto" if load.protocol == "prepared" else "disable"),
        "--rand-type=uniform",
    )
    used = route.cpu_s() - before
    events = int(_found(r"total number of events:\s+(\d+)", text))
    elapsed = float(_found(r"total time:\s+([\d.]+)s", text))
    return Measured(events / elapsed, float(_found(r"95th percentile:\s+([\d.]+)", text)), used / max(events, 1) * 1e6)


def _sysbench(route: Route, script: str, command: str, *options: str) -> str:
    own = FOLDER / f"{script}.lua"
    where = [f"--mysql-host={route.host}", f"--mysql-port={route.port}", "--mysql-db=test", "--mysql-ssl=off"]
    who = [f"--mysql-user={APP.user}", f"--mysql-password={APP.password}"]
    name = str(own) if own.exists() else script
    return run([program("sysbench", "sysbench"), name, *where, *who, *options, command], timeout_s=600)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"sysbench did not say {pattern!r}:\n{text}")
    return found[1]
