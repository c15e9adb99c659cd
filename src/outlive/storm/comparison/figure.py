"""One figure of a storm that stands for itself: an SVG in daylight and in the dark, or a PNG."""

from collections.abc import Sequence
from importlib.util import find_spec

from outlive.storm.comparison import words
from outlive.storm.comparison.drawing import rectangle, svg, text
from outlive.storm.comparison.panel import HEIGHT, WIDTH, panel
from outlive.storm.comparison.theme import marks
from outlive.storm.errors import ScenarioError
from outlive.storm.results import Result
from outlive.storm.storm import Storm

_MARGIN, _GAP, _HEAD, _CAPTION = 26.0, 16.0, 104.0, 54.0
_PNG_SCALE = 2


def figure(storm: Storm, remedies: Sequence[str] = (), *, columns: int = 3, night: bool = True) -> str:
    """The panels of these remedies (by default of all that ran) under the headline."""
    results = [result for result in words.measured(storm) if not remedies or result.name in remedies]
    columns = max(1, min(columns, len(results)))
    rows = -(-len(results) // columns)
    cell_width, cell_height = WIDTH + 24, HEIGHT + _CAPTION
    width = 2 * _MARGIN + columns * cell_width + (columns - 1) * _GAP
    height = _HEAD + rows * cell_height + (rows - 1) * _GAP + _MARGIN
    drawn = [
        rectangle(0, 0, width, height, "ground"),
        text(_MARGIN, 44, words.title(storm), "title"),
        text(_MARGIN, 68, words.under_title(storm), "said"),
        *_legend(_MARGIN, 90),
    ]
    for number, result in enumerate(results):
        left = _MARGIN + number % columns * (cell_width + _GAP)
        top = _HEAD + number // columns * (cell_height + _GAP)
        drawn += _card(result, left, top, cell_width, cell_height)
    label = f"{words.title(storm)}: {' '.join(words.sentences(storm))}"
    return svg(width, height, label, drawn, style=marks(night=night))


def _card(result: Result, left: float, top: float, width: float, height: float) -> list[str]:
    assert result.record is not None
    figures = result.record.figures
    kind = "big bad" if figures.answered < figures.requests else "big good"
    return [
        rectangle(left, top, width, height, "card", more=' rx="10"'),
        text(left + 16, top + 26, result.name, "name"),
        text(left + 16, top + 43, result.policy.brief),
        text(left + width - 16, top + 27, words.unanswered(result), kind, anchor="end"),
        text(left + width - 16, top + 43, "no answer", anchor="end"),
        *panel(result, left + 12, top + _CAPTION - 4),
    ]


def _legend(x: float, y: float) -> list[str]:
    drawn = []
    for kind, name, width in (
        ("alive", "connection alive", 128),
        ("dangling", "dangling: its other end is dead", 208),
        ("refused", "requests without an answer", 0),
    ):
        drawn += [rectangle(x, y - 10, 11, 11, kind), text(x + 17, y, name)]
        x += width
    return drawn


def png(storm: Storm, remedies: Sequence[str] = ()) -> bytes:
    """The figure in daylight, twice as fine. ScenarioError when the renderer is not installed."""
    if find_spec("resvg_py") is None:
        raise ScenarioError("A PNG needs the package resvg-py: run pip install 'outlive[storm]'.")
    import resvg_py  # noqa: PLC0415 - only for who wants a PNG

    drawn = figure(storm, remedies, night=False)
    return bytes(resvg_py.svg_to_bytes(svg_string=drawn, zoom=_PNG_SCALE, font_family="DejaVu Sans"))
