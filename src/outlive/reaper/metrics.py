"""The reaper's figures, in Prometheus' text format: read from plain integers when they are scraped."""

from __future__ import annotations

from collections.abc import Iterable
from time import time
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outlive.config.addresses import Address
from outlive.observe.metrics import Tally
from outlive.reaper.hands import Outcome
from outlive.reaper.round import Round

_GAUGES: Final = (
    ("connections", "outlive_reap_connections", "Connections that the database listed in the last round."),
    ("dangling", "outlive_reap_dangling", "Of them, those judged to be dangling."),
    ("doubtful", "outlive_reap_doubtful", "Idle ones of whose owner nothing is known."),
    ("standing_by", "outlive_reap_standing_by", "1 while another reaper is at work on this database."),
    ("last_round_at", "outlive_reap_last_round_timestamp_seconds", "When the last round was over."),
    ("round_s", "outlive_reap_last_round_seconds", "How long the last round took."),
)


class ReaperMetrics(Collector):
    """The figures of one reaper."""

    def __init__(self) -> None:
        self.connections = self.dangling = self.doubtful = self.standing_by = self.rounds = 0
        self.last_round_at = self.round_s = 0.0
        self.kills = Tally()
        """By outcome."""
        self.failures = Tally()
        """Rounds that could not be run, by what was missing: database, hosts."""
        for outcome in Outcome:
            self.kills.add(outcome.value, 0)

    def took(self, done: Round) -> None:
        """A round is over."""
        self.rounds += 1
        self.standing_by = 0
        self.connections, self.dangling, self.doubtful = done.connections, len(done.dangling), done.doubtful
        self.last_round_at, self.round_s = time(), done.seconds
        for outcome in done.outcomes.values():
            self.kills.add(outcome.value)

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        for name, metric, text in _GAUGES:
            yield GaugeMetricFamily(metric, text, value=getattr(self, name))
        yield CounterMetricFamily("outlive_reap_rounds", "Rounds that were run.", value=self.rounds)
        for metric, text, label, tally in (
            ("outlive_reap_kills", "Connections that were to end, by what became of them.", "outcome", self.kills),
            ("outlive_reap_rounds_failed", "Rounds that could not be run.", "missing", self.failures),
        ):
            family = CounterMetricFamily(metric, text, labels=[label])
            for key, count in tally.items():
                family.add_metric([key], count)
            yield family

    def serve(self, address: Address) -> int:
        """Answers every GET at `address` with them, on a thread of its own; the port. Raises OSError."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        server, _ = start_http_server(address.port, address.host, registry)
        return int(server.server_port)
