"""What a storm showed, in figures: one `Result` a remedy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from outlive.storm.policy import Policy
from outlive.storm.record import Record, Request

SERVED_SHARE: Final = 0.99
_LEAST_REQUESTS: Final = 5


@dataclass(slots=True)
class Result:
    """One remedy's. `skipped` says why there is no record. `server_handshakes` is how many connections the database was
    seen to open where a proxy shares them; else those are the functions' own."""

    policy: Policy
    record: Record | None = None
    skipped: str = ""
    server_handshakes: int = 0

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def refused_by_generation(self) -> list[int]:
        """How many requests of each generation found no connection."""
        assert self.record is not None
        counted = Counter(request.generation for request in self.record.requests if request.outcome == "refused")
        return [counted[number] for number in range(self.record.generations)]

    @property
    def recovery_s(self) -> float | None:
        """`recovery` of this record."""
        assert self.record is not None
        return recovery(self.record)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        policy = self.policy.as_json()
        if self.record is None:
            return {"skipped": self.skipped, "policy": policy}
        figures = self.record.figures
        recovery_s = self.recovery_s
        return {
            "requests": figures.requests,
            "answered": figures.answered,
            "refused": figures.refused,
            "failed": figures.failed,
            "p50_ms": figures.p50_ms,
            "p99_ms": figures.p99_ms,
            "server_connections_peak": figures.server_connections_peak,
            "dangling": figures.dangling,
            "open_transactions": figures.open_transactions if self.record.sees_transactions else None,
            "handshakes": figures.handshakes,
            "unfinished": self.record.unfinished,
            "server_handshakes": self.server_handshakes,
            "recovery_s": None if recovery_s is None else round(recovery_s, 2),
            "refused_by_generation": self.refused_by_generation,
            "policy": policy,
            "codes": dict(self.record.codes),
        }


def recovery(record: Record) -> float | None:
    """How long the worst generation after the first waited until it was served, in seconds; None if one never was.

    A generation is served from the first of its requests on from which 99 % of all that come later are answered, at
    least five and a tenth of the generation's (or all, of fewer). The time is from the generation's beginning to when
    that request came, and 0 if it is the first. Without a second generation there is nothing to recover from: None.
    """
    worst: float | None = None
    for number in range(1, record.generations):
        requests = [request for request in list(record.requests) if request.generation == number]
        served_at = _served_at(requests)
        if served_at is None:
            return None
        first = min(request.at for request in requests)
        waited = 0.0 if served_at <= first else served_at - record.births[number]
        worst = max(worst or 0.0, waited)
    return worst


def _served_at(requests: Sequence[Request]) -> float | None:
    ordered = sorted(requests, key=lambda request: request.at)
    least = min(len(ordered), max(_LEAST_REQUESTS, ceil(len(ordered) / 10)))
    served_at: float | None = None
    answered = 0
    for behind, request in enumerate(reversed(ordered), 1):
        good = request.outcome == "answered"
        answered += good
        # It begins with one that is answered, or a refusal could be the beginning of being served.
        if good and behind >= least and answered >= SERVED_SHARE * behind:
            served_at = request.at
    return served_at
