"""Something that lasts holds the connections: long-lived containers, a proxy, an HTTP layer, a service layer."""

from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from outlive.advisor.arithmetic import Arithmetic, Line, milliseconds, number, percent
from outlive.advisor.queueing import erlang_c, load_for_wait, mean_wait_s, servers_for_wait, wait_quantile_s
from outlive.advisor.remedies.judgement import Figures, Judgement, is_tight, needs, obstacles_of

HOP_MS: Final = 1.0
"""What one more hop is taken to add: its round trip within a data centre, and the work of the layer."""
LEAST_HELD_S: Final = 0.0005
"""No transaction holds a connection for less, however near the database is."""
POOLED_AT_ONCE: Final = 50
"""Requests that one long-lived process serves at once, at most: what makes it count as one container."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The size that the load asks for, and what comes of it. `over`: more than the database has places for."""

    size: int
    held_s: float
    load: float
    over: bool

    @property
    def refused_share(self) -> float:
        """What a queue that is never empty cannot serve."""
        return max(0.0, 1.0 - self.size / self.load) if self.load > 0 else 0.0

    @property
    def wait_p99_s(self) -> float:
        """Infinite where the load never fits."""
        return wait_quantile_s(self.size, self.load, self.held_s)

    @property
    def wait_mean_s(self) -> float:
        """Likewise."""
        return mean_wait_s(self.size, self.load, self.held_s)

    def lines(self, what: str) -> list[Line]:
        """How its size came to be."""
        return [
            Line(
                f"{what} held",
                f"Little's law: rate x {milliseconds(self.held_s)} each",
                f"{number(self.load)} erlangs",
            ),
            Line(
                "pool",
                "the fewest whose wait at p99 is tolerated (Erlang's C, M/M/c: open arrivals, first come first served)",
                str(self.size),
            ),
            Line(
                "requests that wait",
                f"Erlang's C for {self.size} and {number(self.load)} erlangs",
                percent(erlang_c(self.size, self.load)),
            ),
            Line(
                "their wait",
                "p99 of all requests: ln(C / 0.01) x held / (size - load)",
                milliseconds(self.wait_p99_s),
            ),
        ]


def pool_for(arithmetic: Arithmetic, held_s: float, added_s: float) -> Pool:
    """The fewest connections whose wait at p99, with `added_s` beside it, is tolerated; at most the places."""
    question = arithmetic.question
    held_s = max(held_s, LEAST_HELD_S)
    load = question.requests_per_s * held_s
    patience_s = max(question.added_latency_ms / 1000 - added_s, 0.0)
    try:
        size = servers_for_wait(load, held_s, patience_s)
    except ValueError:
        size = question.places + 1
    # One more than the load needs is no pool that survives a slow query.
    size = max(size, 2)
    return Pool(min(size, question.places), held_s, load, size > question.places)


def containers(arithmetic: Arithmetic) -> Judgement:
    """The same code in processes that last, each with a pool, and that are told before they end."""
    question = arithmetic.question
    pool = pool_for(arithmetic, arithmetic.transaction_s, 0.0)
    processes = max(2, ceil(arithmetic.busy / POOLED_AT_ONCE))
    each = ceil(pool.size / processes)
    connections = 2 * processes * each  # a deployment starts the new ones before it ends the old ones
    figures = Figures(
        connections, 0, processes * each / 3600, pool.wait_mean_s * 1000, pool.wait_p99_s * 1000, pool.refused_share
    )
    lines = [
        *pool.lines("connections"),
        Line(
            "containers",
            f"busy / {POOLED_AT_ONCE} at once each, two at least: {number(arithmetic.busy)} / {POOLED_AT_ONCE}",
            f"{processes} with {each} connections each",
        ),
        Line("connections", "twice, while a deployment replaces them", str(connections)),
    ]
    return Judgement(
        "containers",
        "long-lived containers with a pool each, which get SIGTERM",
        "container",
        figures,
        lines,
        costs="no longer functions: scaling, idle cost and patches are one's own; one that is killed dangles, too",
        stops=f"above {number(question.places / 2 / each)} containers, and with every autoscaler that knows no limit: "
        "pools of their own add up, and each is too small in one place while another is idle",
        how="a pool in the process, and its close at SIGTERM",
        obstacles=obstacles_of(
            arithmetic, figures, "" if question.containers else "the code cannot run in long-lived containers"
        )
        + _never(pool),
        pool_size=each,
        tight=is_tight(arithmetic, figures),
    )


def proxy(arithmetic: Arithmetic) -> Judgement:
    """Outlive's wire port: clients by the thousand, a server connection for a transaction."""
    pool = pool_for(arithmetic, arithmetic.lease_s, HOP_MS / 1000)
    cold_share = min(1.0, arithmetic.deaths_per_s / arithmetic.question.requests_per_s)
    figures = Figures(
        pool.size, 0, 0.0, HOP_MS + pool.wait_mean_s * 1000, HOP_MS + pool.wait_p99_s * 1000, pool.refused_share
    )
    lines = [
        *pool.lines("server connections"),
        Line("added", f"a hop of {HOP_MS:.0f} ms and the wait", f"{number(figures.added_p99_ms)} ms at p99"),
        Line(
            "cold starts",
            "an instance's first request logs in to the proxy, as it did to the database",
            f"{percent(cold_share)} of the requests",
        ),
    ]
    return Judgement(
        "proxy",
        "proxy layer: Outlive's wire port between functions and database",
        "proxy",
        figures,
        lines,
        costs="a service to run, in the way of every query; a hop; what is pinned (LISTEN, session locks) has a "
        "connection for itself",
        stops=_pool_stops(arithmetic, pool)
        + "; and when transactions hold their connections while the function does something else",
        how=f"outlive serve '{arithmetic.question.database}://...?max_connections={pool.size}', and its address in "
        "place of the database's",
        obstacles=obstacles_of(arithmetic, figures, needs(arithmetic, "address")) + _never(pool),
        pool_size=pool.size,
        tight=is_tight(arithmetic, figures),
    )


def http(arithmetic: Arithmetic) -> Judgement:
    """An HTTP layer: a transaction is one request, and holds a connection for the database's work alone."""
    question = arithmetic.question
    # Between the layer and its database a round trip is taken to be nothing; between function and layer there is one.
    pool = pool_for(arithmetic, arithmetic.working_s, HOP_MS / 1000)
    saved_ms = (question.statements - 1) * question.rtt_ms
    figures = Figures(
        pool.size,
        0,
        0.0,
        HOP_MS - saved_ms + pool.wait_mean_s * 1000,
        HOP_MS + pool.wait_p99_s * 1000,
        pool.refused_share,
    )
    lines = [
        *pool.lines("server connections"),
        Line(
            "round trips saved",
            f"one request for a transaction of {question.statements} statements: {question.statements - 1} x "
            f"{number(question.rtt_ms)} ms",
            f"{number(saved_ms)} ms a request",
        ),
        Line("new connection", "TCP and TLS 1.3", milliseconds((2 if question.tls else 1) * arithmetic.rtt_s)),
    ]
    return Judgement(
        "http",
        "HTTP layer before the database: a transaction is one request",
        "http",
        figures,
        lines,
        costs="the code speaks HTTP in place of a driver; transactions that decide between their statements take "
        "several requests; results are JSON",
        stops=_pool_stops(arithmetic, pool) + "; or when results are large, or transactions interactive",
        how="the database's own interface where it has one (docs/remedies/stateless.md)"
        if question.http_interface
        else "Outlive's HTTP port, or a service of the table in docs/remedies/stateless.md",
        obstacles=obstacles_of(arithmetic, figures, needs(arithmetic, "code")) + _never(pool),
        pool_size=pool.size,
        tight=is_tight(arithmetic, figures),
    )


def service(arithmetic: Arithmetic) -> Judgement:
    """A service layer: functions call operations of the business, and one service knows the database."""
    pool = pool_for(arithmetic, arithmetic.working_s, 2 * HOP_MS / 1000)
    added = 2 * HOP_MS
    connections = 2 * pool.size
    figures = Figures(
        connections,
        0,
        pool.size / 3600,
        added + pool.wait_mean_s * 1000,
        added + pool.wait_p99_s * 1000,
        pool.refused_share,
    )
    lines = [
        *pool.lines("connections"),
        Line("connections", "twice, while a deployment replaces the service", str(connections)),
        Line("added", f"a call of {added:.0f} ms and the wait", f"{number(figures.added_p99_ms)} ms at p99"),
    ]
    return Judgement(
        "service",
        "service layer: operations behind an API, one service with the pool",
        None,
        figures,
        lines,
        costs="a redesign: each query becomes an operation with a contract, an owner and a version; a service to run",
        stops=_pool_stops(arithmetic, pool) + "; or when every function needs operations of its own",
        how="a service with one pool, which scales by itself and not with the functions",
        obstacles=obstacles_of(arithmetic, figures, needs(arithmetic, "code")) + _never(pool),
        pool_size=pool.size,
        tight=is_tight(arithmetic, figures),
    )


def _never(pool: Pool) -> list[str]:
    too_few = "the database has too few places for this load, with any pool"
    return [too_few] if pool.over and pool.wait_p99_s == inf else []


def _pool_stops(arithmetic: Arithmetic, pool: Pool) -> str:
    question = arithmetic.question
    patience_s = max((question.added_latency_ms - HOP_MS) / 1000, 0.0)
    most = load_for_wait(question.places, pool.held_s, patience_s) / pool.held_s
    return f"above {number(most)} requests a second on {question.places} connections"
