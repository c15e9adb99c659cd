"""The figures in Prometheus' text format, read from the plain counters when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from outlive.observe.metrics import Histogram, Metrics, ServerMetrics, Snapshot

Value = Callable[[ServerMetrics], float]
Labelled = Callable[[ServerMetrics], Mapping[str, int]]

# name, documentation, how it is read; the documentation is also docs/metrics' text
_NODE_COUNTERS: Final[tuple[tuple[str, str, Callable[[Metrics], float]], ...]] = (
    ("outlive_clients_accepted", "Client connections accepted.", lambda m: m.accepted),
    ("outlive_client_evictions", "Idle clients ended because max_clients was reached.", lambda m: m.evictions),
    ("outlive_client_logins", "Logins of clients that succeeded.", lambda m: m.logins_ok),
    ("outlive_bytes_from_clients", "Bytes read from clients.", lambda m: m.bytes_from_clients),
    ("outlive_bytes_to_clients", "Bytes written to clients.", lambda m: m.bytes_to_clients),
    ("outlive_reloads", "Configurations reloaded.", lambda m: m.reloads_ok),
    ("outlive_reloads_failed", "Configurations that were refused at a reload.", lambda m: m.reloads_failed),
)
_NODE_TALLIES: Final[tuple[tuple[str, str, str, Callable[[Metrics], Mapping[str, int]]], ...]] = (
    ("outlive_clients_refused", "Connections closed before a login.", "reason", lambda m: m.refused),
    ("outlive_client_logins_refused", "Logins of clients that failed.", "reason", lambda m: m.logins_refused),
    ("outlive_rules_refused", "Statements over HTTP that rules refused.", "rule", lambda m: m.rules_refused),
    ("outlive_lock_steps", "Steps on locks, by what became of them.", "status", lambda m: m.lock_steps),
    ("outlive_errors", "Errors that Outlive itself gave clients.", "kind", lambda m: m.errors),
)
_NODE_GAUGES: Final[tuple[tuple[str, str, Callable[[Metrics], float]], ...]] = (
    ("outlive_clients", "Client connections.", lambda m: m.clients),
    ("outlive_lock_waiters", "Callers that wait for a lock.", lambda m: m.lock_waiters),
    ("outlive_draining", "1 while the node drains.", lambda m: m.draining),
)
_SERVER_COUNTERS: Final[tuple[tuple[str, str, Value], ...]] = (
    ("outlive_leases", "Leases given.", lambda s: s.leases),
    ("outlive_wait_timeouts", "Waiters that reached acquire_timeout_s.", lambda s: s.wait_timeouts),
    ("outlive_queue_full", "Clients refused because max_waiters was reached.", lambda s: s.queue_full),
    ("outlive_dials", "Server connections dialled.", lambda s: s.dials),
    ("outlive_server_logins", "Logins at the server that succeeded.", lambda s: s.logins_ok),
    ("outlive_server_logins_refused", "Logins that the server refused.", lambda s: s.logins_refused),
    ("outlive_conversions", "Server connections converted to another user.", lambda s: s.conversions),
    ("outlive_bytes_to_server", "Bytes written to the server.", lambda s: s.bytes_to_server),
    ("outlive_bytes_from_server", "Bytes read from the server.", lambda s: s.bytes_from_server),
)
_SERVER_TALLIES: Final[tuple[tuple[str, str, str, Labelled], ...]] = (
    ("outlive_dial_failures", "Dials that failed.", "reason", lambda s: s.dial_failures),
    ("outlive_server_closes", "Server connections closed.", "reason", lambda s: s.closes),
    ("outlive_pins", "Leases that became pins.", "reason", lambda s: s.pins),
    ("outlive_kills", "KILLs sent.", "cause", lambda s: s.kills),
    ("outlive_server_errors", "Server connections that failed.", "kind", lambda s: s.errors),
)
_SNAPSHOT_GAUGES: Final[tuple[tuple[str, str, Callable[[Snapshot], float]], ...]] = (
    ("outlive_leases_held", "Leases held.", lambda s: s.leases),
    ("outlive_waiters", "Clients in the queue.", lambda s: s.waiters),
    ("outlive_server_budget", "The most server connections there may be.", lambda s: s.budget),
)


class MetricsCollector(Collector):
    """Turns Metrics into Prometheus' families at each scrape."""

    def __init__(self, metrics: Metrics, version: str = "") -> None:
        self._metrics = metrics
        self._version = version

    def collect(self) -> Iterable[Metric]:
        """All families; one pass over the counters, which is well under a millisecond."""
        yield from self._of_node()
        servers = list(self._metrics.servers.values())
        yield from _of_servers(servers)
        yield from _of_pools([(server.name, server.snapshot()) for server in servers])

    def _of_node(self) -> Iterable[Metric]:
        metrics = self._metrics
        info = GaugeMetricFamily("outlive_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        for name, text, read in _NODE_GAUGES:
            yield GaugeMetricFamily(name, text, value=read(metrics))
        for name, text, read in _NODE_COUNTERS:
            yield CounterMetricFamily(name, text, value=read(metrics))
        for name, text, label, tally in _NODE_TALLIES:
            family = CounterMetricFamily(name, text, labels=[label])
            for key, count in tally(metrics).items():
                family.add_metric([key], count)
            yield family
        locks = HistogramMetricFamily("outlive_lock_wait_seconds", "Waits for a lock, of those that were granted it.")
        locks.add_metric([], _buckets(metrics.lock_waits), metrics.lock_waits.sum_s)
        yield locks


def _of_servers(servers: list[ServerMetrics]) -> Iterable[Metric]:
    for name, text, read in _SERVER_COUNTERS:
        family = CounterMetricFamily(name, text, labels=["server"])
        for server in servers:
            family.add_metric([server.name], read(server))
        yield family
    for name, text, label, tally in _SERVER_TALLIES:
        family = CounterMetricFamily(name, text, labels=["server", label])
        for server in servers:
            for key, count in tally(server).items():
                family.add_metric([server.name, key], count)
        yield family
    pinned = GaugeMetricFamily("outlive_pinned", "Leases that are pins now.", labels=["server", "reason"])
    waits = HistogramMetricFamily("outlive_wait_seconds", "Waits for a lease, of those that waited.", labels=["server"])
    for server in servers:
        for reason, count in server.pinned.items():
            pinned.add_metric([server.name, reason], count)
        waits.add_metric([server.name], _buckets(server.waits), server.waits.sum_s)
    yield pinned
    yield waits


def _of_pools(pools: list[tuple[str, Snapshot]]) -> Iterable[Metric]:
    for name, text, read in _SNAPSHOT_GAUGES:
        family = GaugeMetricFamily(name, text, labels=["server"])
        for server, snapshot in pools:
            family.add_metric([server], read(snapshot))
        yield family
    connections = GaugeMetricFamily("outlive_server_connections", "Server connections.", labels=["server", "state"])
    for server, snapshot in pools:
        for state, count in snapshot.connections.items():
            connections.add_metric([server, state], count)
    yield connections


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return [(bound, float(count)) for bound, count in zip(bounds, accumulate(histogram.counts), strict=True)]


def expose(metrics: Metrics, version: str = "") -> tuple[bytes, str]:
    """The body and the content type of an answer to `/metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(metrics, version))
    return generate_latest(registry), CONTENT_TYPE_LATEST
