"""The answer in sentences and rows, for people."""

from collections.abc import Mapping, Sequence
from typing import Final

from outlive.advisor.answer import Answer
from outlive.advisor.arithmetic import number, percent
from outlive.advisor.calibration import COMPARED, Calibration
from outlive.advisor.remedies.judgement import Judgement
from outlive.advisor.scale import Simulated

COLUMNS: Final = ("", "remedy", "fits", "connections", "dangling", "handshakes/s", "added p99", "refused", "simulated")
COMPARED_COLUMNS: Final = (
    "",
    "",
    "requests",
    "refused",
    "peak",
    "dangling",
    "handshakes",
    "p50 ms",
    "p99 ms",
    "recovery s",
)


def headline(answer: Answer) -> list[str]:
    """What to do, and why nothing that asks for less."""
    best = answer.best
    if best is None:
        nearest = answer.ranked[0]
        return [f"Nothing fits. Nearest is: {nearest.title}; but {_and(nearest.obstacles)}."]
    lines = [f"{best.title[0].upper()}{best.title[1:]}. It fits, and of what fits it asks for the least change."]
    if best.tight:
        lines.append(f"It is tight: {best.figures.connections} of {answer.question.places} connections at the most.")
    nothing = next(each for each in answer.ranked if each.name == "nothing")
    if not nothing.fits:
        lines.append(f"Doing nothing does not hold: {_and(nothing.obstacles)}.")
    lines.append(f"It stops being right {best.stops}.")
    return lines


def rows(answer: Answer, simulated: Mapping[str, Simulated]) -> list[tuple[str, ...]]:
    """One for each remedy, in the order of their ranks, with COLUMNS."""
    return [_row(rank, judgement, simulated.get(judgement.name)) for rank, judgement in enumerate(answer.ranked, 1)]


def _row(rank: int, judgement: Judgement, simulated: Simulated | None) -> tuple[str, ...]:
    figures = judgement.figures
    share = ""
    if simulated is not None:
        predicted = simulated.predicted
        refused = (predicted.refused + predicted.failed) / max(1, predicted.requests)
        share = f"{percent(refused)} refused"
    return (
        str(rank),
        judgement.name,
        "tight" if judgement.fits and judgement.tight else "yes" if judgement.fits else "no",
        str(figures.connections),
        str(figures.dangling),
        number(figures.handshakes_per_s),
        "no end" if figures.added_p99_ms == float("inf") else f"{number(figures.added_p99_ms)} ms",
        percent(figures.refused_share),
        share,
    )


def details(judgement: Judgement) -> list[tuple[str, str]]:
    """What there is to say of a remedy: a heading of each line, and the line."""
    found = [("", line_text) for line_text in (f"{x.what}: {x.how} = {x.result}" for x in judgement.lines)]
    found += [("against it", _and(judgement.obstacles))] if judgement.obstacles else []
    return [*found, ("costs", judgement.costs), ("stops being right", judgement.stops), ("how", judgement.how)]


def comparison(calibration: Calibration) -> list[tuple[str, ...]]:
    """For each remedy a row of what was predicted and one of what was measured, with their names and COMPARED."""
    found = []
    for name, each in calibration.compared.items():
        found.append((name, "predicted", *(_shown(getattr(each.predicted, figure)) for figure in COMPARED)))
        found.append(("", "measured", *(_shown(each.measured.get(figure)) for figure in COMPARED)))
    return found


def calibrated(calibration: Calibration) -> list[str]:
    """What was measured, and how near the predictions are."""
    measured = calibration.measured
    refused = {name: each.off_by("refused") for name, each in calibration.compared.items()}
    wide = [f"{name} by {abs(off):.0%}" for name, off in refused.items() if off is not None and abs(off) > 0.2]
    near = f"Refusals differ by more than 20 %: {', '.join(wide)}." if wide else "All refusals are within 20 %."
    return [
        f"Predicted, and measured on {measured.product}, {measured.load.functions} functions in "
        f"{measured.load.generations} generations, {measured.database.places} places.",
        f"Taken from the measurement: {number(calibration.timing.request_s * 1000)} ms a request beside its round "
        f"trips, {number(calibration.timing.login_s * 1000)} ms of the database a login. {near}",
        *(f"{name} was not measured: {reason}." for name, reason in measured.skipped.items()),
    ]


def _shown(value: object) -> str:
    return number(value) if isinstance(value, int | float) else "never"


def _and(reasons: Sequence[str]) -> str:
    return ", and ".join(reasons)
