"""The charts of one run. Those of several runs have the same axes, so that they can be compared."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil, log10

from outlive.storm.record import Look, Record
from outlive.storm.report import svg

_FASTEST_S, _SLOWEST_S = 0.001, 10.0
_OUTCOMES = ("answered", "refused", "failed")


def connections(record: Record, seconds: float) -> str:
    """The database's connections over time: those of the dead below, those of the living on top of them."""
    frame = svg.Frame(seconds, svg.linear(record.limit * 1.12))
    looks = list(_changes(record.looks))
    marks = [
        svg.axes(frame, _counts(record.limit), _seconds(seconds), "seconds; a triangle: a generation vanishes"),
        svg.area(frame, [(look.at, 0, look.dangling) for look in looks], "dangling"),
        svg.area(frame, [(look.at, look.dangling, look.connections) for look in looks], "alive"),
        svg.across(frame, record.limit, "limit", f"max_connections of the database: {record.limit}"),
        *(svg.tick(frame, at) for at in record.deaths),
    ]
    if record.budget is not None:
        marks.append(svg.across(frame, record.budget, "budget", f"budget of Outlive: {record.budget}"))
    return svg.drawing(f"Connections on the database over time, {record.name}", marks)


def requests(record: Record, most: int) -> str:
    """What became of each generation's requests; `most` is the largest number of any generation in any run."""
    frame = svg.Frame(record.generations, svg.linear(most * 1.05))
    counted: dict[int, Counter[str]] = {}
    for request in record.requests:
        counted.setdefault(request.generation, Counter())[request.outcome] += 1
    names = [(number + 0.5, str(number + 1)) for number in range(record.generations)]
    marks = [svg.axes(frame, _counts(most), names, "generation")]
    for generation, outcomes in counted.items():
        low = 0
        for outcome in _OUTCOMES:
            number = outcomes[outcome]
            if number:
                title = f"generation {generation + 1}: {number} {outcome}"
                left, right = generation + 0.15, generation + 0.85
                marks.append(svg.bar(frame, left, right, low, low + number, outcome, title))
            low += number
    return svg.drawing(f"Requests of each generation, {record.name}", marks)


def latency(record: Record, seconds: float) -> str:
    """How long each answered request took, on a logarithmic scale; a request includes the connect it needs."""
    frame = svg.Frame(
        seconds, lambda value: log10(max(value, _FASTEST_S) / _FASTEST_S) / log10(_SLOWEST_S / _FASTEST_S)
    )
    scale = [(0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s")]
    figures = record.figures
    answered = [request for request in record.requests if request.outcome == "answered"]
    marks = [
        svg.axes(frame, scale, _seconds(seconds), "seconds"),
        *(svg.dot(frame, request.at, request.seconds, "answer") for request in answered),
    ]
    if answered:
        marks.append(svg.across(frame, figures.p50_ms / 1000, "p50", f"p50 {figures.p50_ms:g} ms"))
        marks.append(svg.across(frame, figures.p99_ms / 1000, "p99", f"p99 {figures.p99_ms:g} ms"))
    return svg.drawing(f"Latency of answered requests, {record.name}", marks)


def _changes(looks: Sequence[Look]) -> Iterator[Look]:
    """The first look, each that differs from the one before, and the last."""
    last: Look | None = None
    for look in looks:
        if last is None or (look.connections, look.dangling) != (last.connections, last.dangling):
            yield look
        last = look
    if last is not None:
        yield last


def _counts(end: int) -> list[tuple[float, str]]:
    step = _step(end)
    return [(value, str(value)) for value in range(0, end + 1, step)]


def _seconds(end: float) -> list[tuple[float, str]]:
    step = _step(ceil(end))
    return [(value, str(value)) for value in range(0, int(end) + 1, step)]


def _step(end: int) -> int:
    """1, 2 or 5 times a power of ten, for about five steps."""
    step = 1
    while end / step > 6:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step
