"""What a storm showed, in sentences that its figures make, and figures as people read them."""

from collections.abc import Iterator
from typing import Final

from outlive.storm.results import Result
from outlive.storm.storm import Storm


def measured(storm: Storm) -> list[Result]:
    """The remedies that ran."""
    return [result for result in storm.results if result.record is not None]


def skipped(storm: Storm) -> list[Result]:
    """Those that could not."""
    return [result for result in storm.results if result.record is None]


def title(storm: Storm) -> str:
    """The headline."""
    return f"{storm.load.functions:,} functions that never said goodbye"


_PLAIN: Final = {"persistent": "as they are", "proxy": "through Outlive"}


def plain(result: Result) -> str:
    """What it is to people who do not know the remedies' names yet."""
    return _PLAIN.get(result.name, result.name)


def under_title(storm: Storm) -> str:
    """On what, and how."""
    load = storm.load
    return (
        f"{storm.product}, max_connections = {storm.limit} · {load.generations} generations of functions · "
        f"{load.rtt_s * 1000:g} ms round trip · one second here is {scale(storm)} of lifetimes"
    )


def scale(storm: Storm) -> str:
    """How long a second of the run is in the world."""
    seconds = storm.load.time_scale
    return f"{seconds / 60:.1f} minutes".replace(".0 ", " ") if seconds >= 60 else f"{seconds:g} s"


def sentences(storm: Storm) -> list[str]:
    """One for each remedy that ran, the plainest ones first."""
    return [sentence(result) for result in measured(storm)]


def sentence(result: Result) -> str:
    """What happened under one remedy."""
    return f"{result.name}: {said(result)}."


def said(result: Result) -> str:
    """The same without its name and full stop."""
    return "; ".join(_parts(result))


def _parts(result: Result) -> Iterator[str]:
    assert result.record is not None
    figures = result.record.figures
    if figures.refused:
        first = next(number for number, count in enumerate(result.refused_by_generation, 1) if count)
        since = f", from generation {first} on" if first > 1 else ""
        yield (
            f"{figures.refused:,} of {figures.requests:,} requests ({share(figures.refused, figures.requests)}) "
            f"found no connection{since}"
        )
    else:
        yield f"none of {figures.requests:,} requests was refused"
    if figures.failed:
        yield f"{figures.failed:,} failed otherwise"
    budget = result.policy.budget
    most = f"the database never had more than {figures.server_connections_peak:,} connections"
    yield f"{most} (budget {budget:,})" if budget is not None else most
    if figures.dangling:
        yield f"{figures.dangling:,} of them belonged to the dead at the end"
    else:
        yield "none dangled at the end"


def unanswered(result: Result) -> str:
    """The share of requests that got no answer."""
    assert result.record is not None
    figures = result.record.figures
    return share(figures.refused + figures.failed, figures.requests)


def share(part: int, whole: int) -> str:
    """In per cent; what is not nothing never reads 0 %, and what is not all never 100 %."""
    if not part or not whole:
        return "0 %"
    percent = 100 * part / whole
    if percent < 1:
        return "< 1 %"
    return "> 99 %" if part < whole and percent > 99 else f"{percent:.0f} %"


def recovery(result: Result) -> str:
    """Of the worst generation."""
    assert result.record is not None
    if result.record.generations < 2:
        return "-"
    seconds = result.recovery_s
    if seconds is None:
        return "never"
    return "at once" if seconds == 0 else f"{seconds:.1f} s"


def milliseconds(value: float) -> str:
    """Three digits are enough to compare."""
    if value <= 0:
        return "-"
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:,.0f} ms"
