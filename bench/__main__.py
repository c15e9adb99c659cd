"""`python -m bench`: measure, show, and write bench/RESULTS.md."""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

from tests.servers import MySQL97

from . import report
from .idle import bytes_per_idle_client
from .routes import BUDGET, Route, database, routes
from .sysbench import Load, Measured, measure, prepare

CLIENTS = (1, 20, 100)
Options = argparse.Namespace


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def medians(ways: Sequence[Route], load: Load, options: Options) -> dict[str, Measured]:
    """The median of each figure over rounds in which the ways take turns, so that a slow moment hits all of them."""
    runs: defaultdict[str, list[Measured]] = defaultdict(list)
    for turn in range(options.rounds):
        # Every other round backwards: none always follows the same one.
        for way in ways if turn % 2 == 0 else reversed(ways):
            runs[way.name].append(measure(way, load, options.seconds))
    result = {name: _median(found) for name, found in runs.items()}
    told = ", ".join(f"{name} {found.per_second:.0f}/s {found.cpu_us:.1f} us" for name, found in result.items())
    say(f"{load.script} {load.protocol} {load.clients} clients: {told}")
    return result


def _median(runs: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(getattr(run, name) for run in runs) for name in Measured.__slots__))


def _compared(name: str, found: dict[str, Measured]) -> list[str]:
    cpu = found["Outlive"].cpu_us / found["HAProxy"].cpu_us if found["HAProxy"].cpu_us else float("nan")
    return [
        name,
        *(f"{found[way].per_second:,.0f}" for way in WAYS),
        *(f"{found[way].p95_ms:.2f}" for way in WAYS),
        *(f"{found[way].cpu_us:.1f}" for way in ("HAProxy", "Outlive")),
        f"{cpu:.2f}",
    ]


WAYS = ("direct", "HAProxy", "Outlive")
HEAD = (
    "",
    *(f"{way} /s" for way in WAYS),
    *(f"{way} p95 ms" for way in WAYS),
    "HAProxy CPU us",
    "Outlive CPU us",
    "ratio",
)


def select(ways: Sequence[Route], options: Options) -> str:
    rows = []
    for protocol in ("text", "prepared"):
        for clients in CLIENTS:
            found = medians(ways, Load("oltp_point_select", protocol, clients), options)
            rows.append(_compared(f"{protocol}, {clients} clients", found))
    return f"## Point selects (sysbench)\n\n{report.table(HEAD, rows)}"


def rows(ways: Sequence[Route], options: Options) -> str:
    found = []
    for clients in (1, 20):
        found.append(_compared(f"{clients} clients", medians(ways, Load("rows", "text", clients), options)))
    return f"## Results of 1,000 rows, 200 bytes each\n\n{report.table(HEAD, found)}"


def reconnect(ways: Sequence[Route], options: Options) -> str:
    """MariaDB with mysql_native_password, then MySQL 9.7 with caching_sha2_password; neither with TLS."""
    found = _reconnect("MariaDB", ways, options)
    with MySQL97(max_connections=500, thread_cache_size=200) as server, routes(server) as others:
        prepare(others[0])
        found += _reconnect("MySQL 9.7", others, options)
    head = ("", *(f"{way} /s" for way in WAYS), "Outlive / direct", "HAProxy CPU us", "Outlive CPU us")
    return f"## A connection for every request\n\n{report.table(head, found)}"


def _reconnect(name: str, ways: Sequence[Route], options: Options) -> list[list[str]]:
    table = []
    for clients in (1, 20):
        found = medians(ways, Load("reconnect", "text", clients), options)
        speed = found["Outlive"].per_second / found["direct"].per_second
        rates = [f"{found[way].per_second:,.0f}" for way in WAYS]
        cpu = [f"{found[way].cpu_us:.0f}" for way in WAYS[1:]]
        table.append([f"{name}, {clients} clients", *rates, f"{speed:.2f}", *cpu])
    return table


def idle(options: Options) -> str:
    found = []
    with database() as server:
        for name, tls in (("plain", False), ("TLS", True)):
            size = bytes_per_idle_client(server, options.idle_clients, tls=tls)
            say(f"idle {name}: {size:.0f} bytes a client")
            found.append([name, f"{options.idle_clients:,}", f"{size:,.0f}"])
    return f"## Idle clients\n\n{report.table(('', 'clients', 'bytes a client'), found)}"


LOADS: dict[str, Callable[[Sequence[Route], Options], str]] = {"select": select, "reconnect": reconnect, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="select, reconnect, rows, idle; default all")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--seconds", type=int, default=5, help="length of a run")
    parser.add_argument("--idle-clients", type=int, default=10_000)
    parser.add_argument("--dry", action="store_true", help="print the tables, do not write RESULTS.md")
    options = parser.parse_args()
    what = options.what or [*LOADS, "idle"]
    if unknown := set(what) - {*LOADS, "idle"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    sections = []
    if set(what) & set(LOADS):
        with database() as server, routes(server) as ways:
            prepare(ways[0])
            sections += [LOADS[name](ways, options) for name in what if name in LOADS]
    if "idle" in what:
        sections.append(idle(options))
    print("\n\n".join(sections))
    if not options.dry:
        report.write(sections, command=" ".join(["python -m bench", *sys.argv[1:]]), budget=BUDGET)


if __name__ == "__main__":
    main()
