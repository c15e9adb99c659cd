"""One thing that the doctor found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """From the worst on."""

    CRITICAL = "critical"
    """Clients are refused, or soon will be."""
    WARNING = "warning"
    NOTE = "note"
    GOOD = "good"


_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """`measured` is what was seen, `why` why that matters, `mend` the command that changes it (empty where nothing is
    to be done), `source` where the rule is from, in words.
    """

    severity: Severity
    subject: str
    measured: str
    why: str
    mend: str = ""
    source: str = ""

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {name: str(value) for name, value in asdict(self).items()}


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity; else in their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def worse(*severities: Severity) -> Severity:
    """The worst of them."""
    return min(severities, key=_ORDER.index, default=Severity.GOOD)


def by_share(used: float, limit: float) -> Severity:
    """How full a limit is: 80 % leave little for a burst, 95 % are full at the next one."""
    if limit <= 0:
        return Severity.GOOD
    share = used / limit
    return Severity.CRITICAL if share >= 0.95 else Severity.WARNING if share >= 0.8 else Severity.GOOD
