"""What is measured of MySQL."""

from collections.abc import Callable, Iterator, Sequence

from tests.servers import MySQL97

from ..comparison import DIRECT, OUTLIVE, Comparison
from ..idle import SPARE_CLIENTS, bytes_per_idle_client
from ..report import Part, Section, table
from ..rounds import Found, Options, medians, say
from ..route import Route
from .routes import BUDGET, HAPROXY, database, outlive, routes
from .sysbench import Load, measure, prepare

CLIENTS = (1, 20, 100)
COMPARISON = Comparison(HAPROXY)

PART = Part(
    "MySQL",
    f"""\
MariaDB 10.11, and MySQL 9.7 where it says so. Outlive has {BUDGET} server connections. The ratio is Outlive's CPU a
query divided by that of HAProxy in TCP mode with one thread, the floor of any relay.""",
    {
        "select": "Point selects (sysbench)",
        "reconnect": "A connection for every request",
        "rows": "Results of 1,000 rows, 200 bytes each",
        "idle": "Idle clients",
    },
)


def sections(names: Sequence[str], options: Options) -> Iterator[Section]:
    """Measure what `names` say (of PART's), each told as soon as it is done."""
    if loads := [name for name in names if name in LOADS]:
        with database() as server, routes(server) as ways:
            prepare(ways[0])
            for name in loads:
                yield PART.section(name, LOADS[name](ways, options))
    if "idle" in names:
        yield PART.section("idle", _idle(options))


def _medians(ways: Sequence[Route], load: Load, options: Options) -> Found:
    return medians(ways, str(load), lambda way: measure(way, load, options.seconds), options.rounds)


def _select(ways: Sequence[Route], options: Options) -> str:
    rows = []
    for protocol in ("text", "prepared"):
        for clients in CLIENTS:
            found = _medians(ways, Load("oltp_point_select", protocol, clients), options)
            rows.append((f"{protocol}, {clients} clients", found))
    return COMPARISON.cost(rows)


def _rows(ways: Sequence[Route], options: Options) -> str:
    loads = [Load("rows", "text", clients) for clients in (1, 20)]
    return COMPARISON.cost([(f"{load.clients} clients", _medians(ways, load, options)) for load in loads])


def _reconnect(ways: Sequence[Route], options: Options) -> str:
    """MariaDB with mysql_native_password, then MySQL 9.7 with caching_sha2_password; neither with TLS."""
    found = _reconnect_of("MariaDB", ways, options)
    with MySQL97(max_connections=500, thread_cache_size=200) as server, routes(server) as others:
        prepare(others[0])
        found += _reconnect_of("MySQL 9.7", others, options)
    return COMPARISON.speed(found, against=[DIRECT])


def _reconnect_of(server: str, ways: Sequence[Route], options: Options) -> list[tuple[str, Found]]:
    loads = [Load("reconnect", "text", clients) for clients in (1, 20)]
    return [(f"{server}, {load.clients} clients", _medians(ways, load, options)) for load in loads]


def _idle(options: Options) -> str:
    found = []
    with database() as server:
        for name, tls in (("plain", False), ("TLS", True)):
            with outlive(server, tls=tls, max_clients=options.idle_clients + SPARE_CLIENTS) as own:
                relay = Route(OUTLIVE, own.host, own.port, own.pid)
                size = bytes_per_idle_client("mysql", relay, options.idle_clients, tls=tls)
            say(f"idle {name}: {size:.0f} bytes a client")
            found.append([name, f"{options.idle_clients:,}", f"{size:,.0f}"])
    return table(("", "clients", "bytes a client"), found)


LOADS: dict[str, Callable[[Sequence[Route], Options], str]] = {
    "select": _select,
    "reconnect": _reconnect,
    "rows": _rows,
}
