"""`python -m bench login`: the login service's versions when 1,000 functions come back after an idle time, at once.

Each function makes one login on a new connection, as its earlier one is gone. Beside the versions: a function that
connects to the database itself, and one that connects to Outlive's wire port.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from examples.login_service.dynamodb import DynamoStore
from tests.login_service.conftest import configuration, statements
from tests.servers import MariaDB, OutliveProcess, Process, free_port
from tests.servers.database import APP
from tests.servers.processes import eventually

from .login_functions import DYNAMO, NAMES, PROCESSES, WIRE, Functions, Places
from .report import Part, Section, table
from .rounds import say

FUNCTIONS = 1000
PLACES = 151
BUDGET = 20
PART = Part(
    "The login service",
    f"""\
`examples/login_service`: {FUNCTIONS:,} functions (threads of {PROCESSES} processes) that were idle log in at the same
moment, each on a new connection; those of MySQL's protocol are not closed, as a frozen function closes nothing. MariaDB
10.11 has its default of {PLACES} connections, Outlive a budget of {BUDGET}. "At peak" is the most connections that the
server had, "left" those that it still has when all have ended; p50 and p99 are of the logins that were answered. moto's
server stands in for DynamoDB: it shows that this version holds no connection of a database, and nothing of DynamoDB's
speed. Ratios are to the wire port's; functions, layers and database share the cores.""",
    {"login": f"{FUNCTIONS:,} functions bursting after idle"},
)


@dataclass(frozen=True, slots=True)
class _Found:
    answered: float
    seconds: float
    p50_ms: float
    p99_ms: float
    peak: float
    left: float


@contextlib.contextmanager
def _setting(devices: list[str]) -> Iterator[tuple[MariaDB, Functions]]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "of-the-bench"))
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    with MariaDB(max_connections=PLACES) as server, Process(command, name="moto") as moto:
        for statement in statements():
            server.query(statement)
        rows = ", ".join(f"('{device}', '{uuid4()}', '{uuid4()}')" for device in devices)
        server.query(f"INSERT INTO devices (device_id, user_id, household_id) VALUES {rows}")
        moto.wait_line("Running on")
        dynamo = DynamoStore("devices", f"http://127.0.0.1:{port}")
        dynamo.create_table()
        for device in devices:
            dynamo.provision(device, str(uuid4()), str(uuid4()))
        with OutliveProcess(configuration(server.url(max_connections=BUDGET, idle_timeout_s=1))) as node:
            functions = Functions(Places(server.port, node.port, node.http_port, port))
            yield server, functions
            functions.close()


def _measure(server: MariaDB, functions: Functions, name: str, devices: list[str]) -> _Found:
    functions.release()
    # One is Outlive's, for KILL: of the burst before nothing is left, and all are idle.
    eventually(lambda: len(server.connection_ids(APP.user)) <= 1, 30)
    server.query("FLUSH STATUS")
    times, took = functions.burst(name, devices)
    left = len(server.connection_ids(APP.user))
    peak = server.status("Max_used_connections")
    p50, p99 = times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3
    return _Found(len(times), took, p50, p99, peak, left)


def section(arguments: list[str]) -> tuple[Section, bool]:
    """Measures; also whether it is to be written."""
    parser = argparse.ArgumentParser(prog="python -m bench login", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="bursts of each, of which the median counts")
    parser.add_argument("--dry", action="store_true", help="print the table, do not write RESULTS.md")
    given = parser.parse_args(arguments)
    devices = [str(uuid4()) for _ in range(FUNCTIONS)]
    runs: defaultdict[str, list[_Found]] = defaultdict(list)
    with _setting(devices) as (server, functions):
        for turn in range(given.rounds):
            for name in NAMES[:: 1 if turn % 2 == 0 else -1]:
                found = _measure(server, functions, name, devices)
                runs[name].append(found)
                say(f"{name}: {found.answered:.0f} answered in {found.seconds:.1f} s, {found.peak:.0f} connections")
    median = {name: _median(runs[name]) for name in NAMES}
    rows = [_row(name, found, median[WIRE]) for name, found in median.items()]
    return PART.section("login", table(_HEAD, rows)), not given.dry


_HEAD = ("", "answered", "refused", "seconds", "p50 ms", "p99 ms", "at peak", "left", "p99 to wire")


def _row(name: str, of: _Found, wire: _Found) -> list[str]:
    connections = ["", ""] if name == DYNAMO else [f"{of.peak:.0f}", f"{of.left:.0f}"]
    ratios = [""] if name == DYNAMO else [f"{of.p99_ms / wire.p99_ms:.2f}"]
    figures = [f"{of.seconds:.1f}", f"{of.p50_ms:,.0f}", f"{of.p99_ms:,.0f}"]
    return [name, f"{of.answered:,.0f}", f"{FUNCTIONS - of.answered:,.0f}", *figures, *connections, *ratios]


def _median(runs: list[_Found]) -> _Found:
    return _Found(*(statistics.median(getattr(run, name) for run in runs) for name in _Found.__slots__))
