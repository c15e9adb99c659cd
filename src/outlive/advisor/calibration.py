"""Predicted beside measured: a storm's own load and policies, simulated, with the times that it measured.

Two times cannot be known before and are taken from the measurement: what a request takes above its round trips
(drivers, processes, the machine), from the lowest of the medians under remedies that leave connections open; and what a
login takes of the database, where logins wait for each other, from the median under `per-request`. All else is
predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from outlive.advisor.scale import timing_of
from outlive.advisor.simulation.model import Database, Timing
from outlive.advisor.simulation.run import Predicted, simulate
from outlive.storm.load import Load
from outlive.storm.policy import POLICIES, Policy

COMPARED: Final = (
    "requests",
    "refused",
    "server_connections_peak",
    "dangling",
    "handshakes",
    "p50_ms",
    "p99_ms",
    "recovery_s",
)
LEAD_S: Final = 0.1
"""What the storm takes at least between a generation's death and the next one's birth."""
WARM: Final = ("persistent", "reaper", "proxy")
"""Remedies under which most answers meet an open connection, if most requests are answered."""
_STEPS: Final = 9


class CalibrationError(ValueError):
    """What was given is not a storm's output, as a sentence."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A storm's output, as far as it is used here."""

    product: str
    scheme: str
    load: Load
    database: Database
    policies: Mapping[str, Policy]  # as they ran
    figures: Mapping[str, Mapping[str, Any]]
    skipped: Mapping[str, str]

    @classmethod
    def of(cls, storm: object) -> "Measured":
        """From the one object of `outlive storm --json`. CalibrationError says what is missing."""
        if not isinstance(storm, Mapping):
            raise CalibrationError("This is not the object that outlive storm --json prints.")
        try:
            load = _made(Load, storm["load"])
            remedies = storm["remedies"]
            ran = {name: _figures(name, each) for name, each in remedies.items() if "skipped" not in each}
            reserved, others = storm.get("reserved", 0), storm.get("others", 0)
            places = storm.get("places", storm["max_connections"] - reserved - others)
            return cls(
                str(storm.get("database", "")),
                str(storm.get("scheme", "")),
                load,
                # Links that are masked, and functions that are frozen, show the database one address for all.
                Database(places, sees_hosts="reaper" not in ran or not ran["reaper"].get("failed")),
                {name: _policy(name, each, load) for name, each in ran.items()},
                ran,
                {name: str(each["skipped"]) for name, each in remedies.items() if "skipped" in each},
            )
        except KeyError as error:
            raise CalibrationError(f"{error.args[0]} is missing in the storm's output.") from None
        except (TypeError, AttributeError, ValueError) as error:
            raise CalibrationError(f"The storm's output cannot be used: {error}") from None


@dataclass(frozen=True, slots=True)
class Compared:
    """One remedy."""

    name: str
    measured: Mapping[str, Any]
    predicted: Predicted

    def off_by(self, figure: str) -> float | None:
        """How far the prediction is from what was measured, as a share of the latter; None where there is none."""
        measured, predicted = self.measured.get(figure), getattr(self.predicted, figure)
        if measured is None or predicted is None:
            return None
        if measured == predicted:
            return 0.0
        return None if measured == 0 else float(predicted - measured) / float(measured)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        off = {name: self.off_by(name) for name in COMPARED}
        return {
            "measured": {name: self.measured.get(name) for name in COMPARED},
            "predicted": self.predicted.as_json(),
            "off_by": {name: None if value is None else round(value, 4) for name, value in off.items()},
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was taken from the storm, and every remedy of it."""

    measured: Measured
    timing: Timing
    compared: Mapping[str, Compared]

    def applied(self, counted: Timing) -> Timing:
        """`counted` round trips with what this machine takes beside them."""
        return replace(counted, request_s=self.timing.request_s, login_s=self.timing.login_s)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "database": self.measured.product,
            "request_ms": round(self.timing.request_s * 1000, 3),
            "login_ms": round(self.timing.login_s * 1000, 3),
            "skipped": dict(self.measured.skipped),
            "remedies": {name: each.as_json() for name, each in self.compared.items()},
        }


def calibrate(measured: Measured) -> Calibration:
    """Take the times, and simulate every remedy that ran."""
    counted = replace(Timing.of(measured.load, measured.scheme), between_s=LEAD_S)
    requests = [_fitted(measured, counted, name, "request_s") for name in WARM if name in measured.figures]
    timing = min(requests, key=lambda each: each.request_s, default=counted)
    timing = _fitted(measured, timing, "per-request", "login_s")
    compared = {
        name: Compared(name, measured.figures[name], _simulated(measured, name, timing)) for name in measured.figures
    }
    return Calibration(measured, timing, compared)


def _fitted(measured: Measured, timing: Timing, name: str, time: str) -> Timing:
    """`timing` with the one `time` so that the median of the remedy `name` is what was measured; never shorter than
    the round trips are.
    """
    if not measured.figures.get(name, {}).get("answered"):
        return timing
    low_s = getattr(timing, time)
    wanted_ms = measured.figures[name]["p50_ms"]
    if _simulated(measured, name, timing).p50_ms >= wanted_ms:
        return timing
    # No median is met by a time longer than itself. It grows with the time, and faster where requests wait for others.
    high_s = low_s + wanted_ms / 1000
    for _ in range(_STEPS):
        middle_s = (low_s + high_s) / 2
        found_ms = _simulated(measured, name, replace(timing, **{time: middle_s})).p50_ms
        low_s, high_s = (middle_s, high_s) if found_ms < wanted_ms else (low_s, middle_s)
    return replace(timing, **{time: (low_s + high_s) / 2})


def _simulated(measured: Measured, name: str, timing: Timing) -> Predicted:
    policy = measured.policies[name]
    return simulate(measured.load, policy, measured.database, timing_of(policy, timing, measured.load))


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in known})


def _figures(name: str, figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """What can be compared. ValueError for a figure that is no number, and for a median that an answer must have."""
    for figure in COMPARED:
        value = figures.get(figure)
        if not isinstance(value, (int, float, type(None))):
            raise ValueError(f"{figure} of {name} is no number.")
    if figures.get("answered") and figures.get("p50_ms") is None:
        raise ValueError(f"p50_ms of {name} is no number.")
    return figures


def _policy(name: str, figures: Mapping[str, Any], load: Load) -> Policy:
    if "policy" in figures:
        return Policy(**{"title": "", **figures["policy"]})
    return POLICIES[name].scaled(load.time_scale)
