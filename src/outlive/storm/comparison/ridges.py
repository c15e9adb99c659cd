"""How long answered requests took under each remedy: their distribution, on one logarithmic scale."""

from collections.abc import Sequence
from math import ceil, exp, floor, log10

from outlive.storm.comparison.drawing import Box, line, rectangle, svg, text
from outlive.storm.comparison.words import milliseconds, unanswered
from outlive.storm.load import TRANSACTION_ROUND_TRIPS, Load
from outlive.storm.results import Result

_WIDTH, _ROW, _TOP, _BOTTOM = 860.0, 58.0, 22.0, 26.0
_LEFT, _RIGHT = 112.0, 176.0
_BINS, _SMOOTH = 120, 2.0
_TICKS = (
    (0.01, "10 ms"),
    (0.03, "30 ms"),
    (0.1, "100 ms"),
    (0.3, "300 ms"),
    (1.0, "1 s"),
    (3.0, "3 s"),
    (10.0, "10 s"),
)


def ridges(results: Sequence[Result], load: Load) -> str:
    """A row for each remedy."""
    seconds = [_answered(result) for result in results]
    every = [value for values in seconds for value in values]
    if not every:
        return ""
    low = 10 ** (floor(log10(max(min(every), 0.001)) * 4) / 4)
    slowest_s = max(result.record.figures.p99_ms for result in results if result.record is not None) / 1000
    high = 10 ** (ceil(log10(max(slowest_s, 2 * low) * 1.4) * 4) / 4)
    height = _TOP + _ROW * len(results) + _BOTTOM
    span = log10(high / low)
    plot = Box(_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, _ROW * len(results), span)
    marks: list[str] = []
    for value, name in _TICKS:
        if low <= value <= high:
            x = plot.x(log10(value / low))
            marks += [line(x, plot.top, x, plot.bottom, "grid"), text(x, plot.bottom + 17, name, anchor="middle")]
    way_s = TRANSACTION_ROUND_TRIPS * load.rtt_s
    if low <= way_s <= high:
        x = plot.x(log10(way_s / low))
        marks += [
            line(x, plot.top - 4, x, plot.bottom, "rtt"),
            text(x, plot.top - 8, f"{TRANSACTION_ROUND_TRIPS} round trips", anchor="middle"),
        ]
    tallest = max(max(_density(values, low, high), default=0.0) for values in seconds) or 1.0
    for number, (result, values) in enumerate(zip(results, seconds, strict=True)):
        base = plot.top + _ROW * (number + 1) - 6
        marks += _row(result, values, plot, base, low, high, tallest)
    return svg(_WIDTH, height, "How long answered requests took under each remedy", marks)


def _row(
    result: Result, values: list[float], plot: Box, base: float, low: float, high: float, tallest: float
) -> list[str]:
    assert result.record is not None
    figures = result.record.figures
    marks = [text(plot.left - 14, base - 6, result.name, "name", anchor="end")]
    if not values:
        return [*marks, text(plot.left + 8, base - 6, "nothing was answered")]
    heights = _density(values, low, high)
    step = plot.width / (_BINS - 1)
    points = [
        f"{plot.left + step * number:.1f},{base - (_ROW - 12) * min(1.0, height / tallest):.1f}"
        for number, height in enumerate(heights)
    ]
    marks.append(f'<path class="ridge" d="M{plot.left:g},{base:g} L{" L".join(points)} L{plot.right:g},{base:g}Z"/>')
    marks.append(line(plot.left, base, plot.right, base, "grid"))
    for value, kind in ((figures.p50_ms, "p50"), (figures.p99_ms, "p99")):
        x = plot.x(log10(max(value / 1000, low) / low))
        marks.append(line(x, base - 13, x, base + 3, kind))
    words = f"p50 {milliseconds(figures.p50_ms)} · p99 {milliseconds(figures.p99_ms)}"
    marks.append(text(plot.right + 10, base - 16, words))
    lost = figures.refused + figures.failed
    marks.append(text(plot.right + 10, base - 1, f"{unanswered(result)} without an answer" if lost else "all answered"))
    if lost:
        marks.append(rectangle(plot.right + 10, base + 4, 150 * lost / figures.requests, 3, "refused"))
    return marks


def _answered(result: Result) -> list[float]:
    assert result.record is not None
    return [max(request.seconds, 0.001) for request in result.record.requests if request.outcome == "answered"]


def _density(values: Sequence[float], low: float, high: float) -> list[float]:
    """Smoothed, as shares of all."""
    counted = [0.0] * _BINS
    span = log10(high / low)
    for value in values:
        counted[min(_BINS - 1, max(0, int(log10(value / low) / span * (_BINS - 1))))] += 1 / len(values)
    reach = range(-6, 7)
    weights = {offset: exp(-((offset / _SMOOTH) ** 2) / 2) for offset in reach}
    total = sum(weights.values())
    return [
        sum(weights[offset] * counted[place + offset] for offset in reach if 0 <= place + offset < _BINS) / total
        for place in range(_BINS)
    ]
