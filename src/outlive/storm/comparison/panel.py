"""One remedy's panel: the database's connections over time, and below, the share of each generation's requests that got
no answer. Those of several remedies have the same axes.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from outlive.storm.comparison.drawing import Box, line, rectangle, steps, text
from outlive.storm.comparison.words import share
from outlive.storm.record import Look, Record
from outlive.storm.results import Result
from outlive.storm.run import SETTLE_S

WIDTH, HEIGHT = 400.0, 208.0
_LEFT, _RIGHT, _TOP, _BELOW = 34.0, 4.0, 14.0, 40.0
_CELL = 17.0
_LEAST_LABELLED = 17.0
_HEADROOM = 1.12
_AFTERWARDS = 0.8
"""As wide as so much of a generation is what is left when the last one has vanished."""


def panel(result: Result, left: float = 0.0, top: float = 0.0, *, width: float = WIDTH) -> list[str]:
    """Its marks, at this place of a drawing."""
    record = result.record
    assert record is not None
    plot = Box(
        left + _LEFT,
        top + _TOP,
        width - _LEFT - _RIGHT,
        HEIGHT - _TOP - _BELOW,
        record.generations + _AFTERWARDS,
        record.limit * _HEADROOM,
    )
    looks = list(_changes(record))
    marks = [
        *(line(plot.left, plot.y(value), plot.right, plot.y(value), "grid") for value in _ticks(record.limit)),
        *(text(plot.left - 5, plot.y(value) + 4, f"{value}", anchor="end") for value in _ticks(record.limit)),
        steps(plot, [(at, 0, look.dangling) for at, look in looks], "dangling"),
        steps(plot, [(at, look.dangling, look.connections) for at, look in looks], "alive"),
        line(plot.left, plot.y(record.limit), plot.right, plot.y(record.limit), "limit"),
        text(plot.right, plot.y(record.limit) - 4, f"max_connections {record.limit}", "limit-name", anchor="end"),
    ]
    if record.budget is not None:
        marks.append(line(plot.left, plot.y(record.budget), plot.right, plot.y(record.budget), "budget"))
        marks.append(
            text(plot.right, plot.y(record.budget) - 4, f"budget {record.budget}", "budget-name", anchor="end")
        )
    return [*marks, *_cells(result, plot)]


def _cells(result: Result, plot: Box) -> Iterator[str]:
    """One for each generation, as wide as it lived."""
    record = result.record
    assert record is not None
    requests = Counter(request.generation for request in record.requests)
    lost = Counter(request.generation for request in record.requests if request.outcome != "answered")
    top = plot.bottom + 4
    for number in range(len(record.births)):
        left, width = plot.x(number) + 0.5, plot.x(number + 1) - plot.x(number) - 1
        part = lost[number] / requests[number] if requests[number] else 0.0
        title = f"generation {number + 1}: {lost[number]} of {requests[number]} requests without an answer"
        yield rectangle(left, top, width, _CELL, "empty", title=title)
        if part:
            opacity = f' fill-opacity="{0.25 + 0.6 * part:.2f}"'
            yield rectangle(left, top, width, _CELL, "refused", title=title, more=opacity)
        if width > _LEAST_LABELLED:
            kind = "cell-name full" if part else "cell-name"
            name = share(lost[number], requests[number]).removesuffix(" %").replace(" ", "")
            yield text(left + width / 2, top + 12, name, kind, anchor="middle")
    yield text(plot.left, top + _CELL + 14, "without an answer, % of each generation's requests", "cell-name")


def _changes(record: Record) -> Iterator[tuple[float, Look]]:
    """When (in generations) and what: the first look, each that differs from the one before, and the last."""
    last: Look | None = None
    for look in record.looks:
        if last is None or (look.connections, look.dangling) != (last.connections, last.dangling):
            yield generation_at(record, look.at), look
        last = look
    if last is not None:
        yield generation_at(record, last.at), last


def generation_at(record: Record, at: float) -> float:
    """The time of a run in generations: 2.5 is in the middle of the third. What waits long makes a generation longer,
    and remedies are compared by generations.
    """
    births, deaths = record.births, record.deaths
    if not births or at <= births[0]:
        return 0.0
    number = bisect_right(births, at) - 1
    end = births[number + 1] if number + 1 < len(births) else deaths[-1] if len(deaths) == len(births) else record.at
    if at >= end:
        return min(len(births) + (at - end) / SETTLE_S * _AFTERWARDS, len(births) + _AFTERWARDS)
    return number + (at - births[number]) / (end - births[number])


def _ticks(limit: int) -> list[int]:
    step = next(step for step in (5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 5000, 50_000) if limit / step <= 4.5)
    return list(range(0, limit - step // 2, step))
