"""What is measured of PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence

from tests.servers import PgBouncer118

from ..comparison import DIRECT, Comparison
from ..idle import SPARE_CLIENTS, bytes_per_idle_client
from ..report import Part, Section, table
from ..rounds import Found, Options, medians, say
from .pgbench import Load, measure, prepare
from .routes import BUDGET, PGBOUNCER, Routes, database, outlive, pgbouncer, route, routes

CLIENTS = (1, 20, 100)
WARM_UP = Load("simple", BUDGET)
COMPARISON = Comparison(PGBOUNCER)

PART = Part(
    "PostgreSQL",
    f"""\
PostgreSQL 15; PgBouncer 1.18 with transaction pooling, and 1.26 for prepared statements, which 1.18 does not have. Each
relay has {BUDGET} server connections, and takes a client's password with SCRAM-SHA-256. The ratio is Outlive's CPU a
transaction divided by PgBouncer's.""",
    {
        "select": "Point selects (pgbench -S)",
        "reconnect": "A connection for every transaction (pgbench -S -C)",
        "rows": "Results of 1,000 rows, about 200 bytes each",
        "tls": "TLS between client and relay (pgbench -S, 20 clients)",
        "idle": "Idle clients",
    },
)


def sections(names: Sequence[str], options: Options) -> Iterator[Section]:
    """Measure what `names` say (of PART's), each told as soon as it is done."""
    if loads := [name for name in names if name in LOADS]:
        with database() as server, routes(server) as ways:
            prepare(ways.direct)
            # The relays' connections to the server are made once, and stay.
            for relay in (ways.old, ways.new, ways.outlive):
                measure(relay, WARM_UP, 1)
            for name in loads:
                yield PART.section(name, LOADS[name](ways, options))
    if "idle" in names:
        yield PART.section("idle", _idle(options))


def _medians(ways: Routes, load: Load, options: Options) -> Found:
    return medians(ways.of(load.mode), str(load), lambda way: measure(way, load, options.seconds), options.rounds)


def _select(ways: Routes, options: Options) -> str:
    loads = [Load(mode, clients) for mode in ("simple", "extended", "prepared") for clients in CLIENTS]
    return COMPARISON.cost([(f"{load.mode}, {load.clients} clients", _medians(ways, load, options)) for load in loads])


def _reconnect(ways: Routes, options: Options) -> str:
    loads = [Load("simple", clients, tls=tls, reconnect=True) for tls in (False, True) for clients in (1, 20)]
    rows = [(f"{_security(load)}, {load.clients} clients", _medians(ways, load, options)) for load in loads]
    return COMPARISON.speed(rows, against=[DIRECT, PGBOUNCER])


def _rows(ways: Routes, options: Options) -> str:
    loads = [Load("simple", clients, script="rows.sql") for clients in (1, 20)]
    return COMPARISON.cost([(f"{load.clients} clients", _medians(ways, load, options)) for load in loads])


def _tls(ways: Routes, options: Options) -> str:
    """With and without in turn, so that what TLS adds can be seen."""
    loads = [Load(mode, 20, tls=tls) for mode in ("simple", "prepared") for tls in (False, True)]
    rows = [(f"{load.mode}, {_security(load)}", _medians(ways, load, options)) for load in loads]
    return COMPARISON.cost(rows)


def _security(load: Load) -> str:
    return "TLS" if load.tls else "plain"


def _idle(options: Options) -> str:
    found = []
    with database() as server:
        for name, tls in (("plain", False), ("TLS", True)):
            with pgbouncer(PgBouncer118, server, tls=tls) as peer:
                theirs = bytes_per_idle_client("postgres", route(peer), options.idle_clients, tls=tls)
            with outlive(server, tls=tls, max_clients=options.idle_clients + SPARE_CLIENTS) as own:
                ours = bytes_per_idle_client("postgres", route(own), options.idle_clients, tls=tls)
            say(f"idle {name}: PgBouncer {theirs:.0f}, Outlive {ours:.0f} bytes a client")
            found.append([name, f"{options.idle_clients:,}", f"{theirs:,.0f}", f"{ours:,.0f}"])
    return table(("", "clients", "PgBouncer bytes a client", "Outlive bytes a client"), found)


LOADS: dict[str, Callable[[Routes, Options], str]] = {
    "select": _select,
    "reconnect": _reconnect,
    "rows": _rows,
    "tls": _tls,
}
