"""Drawing: a chart's frame and axes, and marks in it. Sizes are in the units of the drawing, which scales."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 620, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 14, 46


@dataclass(frozen=True, slots=True)
class Frame:
    """Turns values into places: `x` and `y` of a value lie inside the axes. `scale` maps a value of y to 0..1."""

    x_end: float
    scale: Callable[[float], float]

    def x(self, value: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * min(value / self.x_end, 1.0), 1)

    def y(self, value: float) -> float:
        share = min(max(self.scale(value), 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)


def linear(end: float) -> Callable[[float], float]:
    """0 to `end`."""
    return lambda value: value / end


def drawing(label: str, marks: Iterable[str]) -> str:
    """One SVG; `label` tells those who do not see it what it shows."""
    body = "".join(marks)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{body}</svg>'


def axes(frame: Frame, y_ticks: Iterable[tuple[float, str]], x_ticks: Iterable[tuple[float, str]], x_title: str) -> str:
    """Lines across at each tick of y, and the names of all ticks."""
    marks = []
    for value, name in y_ticks:
        marks.append(across(frame, value, "grid"))
        marks.append(text(_LEFT - 6, frame.y(value) + 4, name, "end"))
    for value, name in x_ticks:
        marks.append(text(frame.x(value), HEIGHT - _BOTTOM + 20, name, "middle"))
    marks.append(text((WIDTH + _LEFT) / 2, HEIGHT - 6, x_title, "middle"))
    return "".join(marks)


def across(frame: Frame, value: float, kind: str, name: str = "") -> str:
    """A line over the whole width at one value of y, with its name above its end."""
    y = frame.y(value)
    line = f'<line class="{kind}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    return line + (text(WIDTH - _RIGHT - 2, y - 4, name, "end", f"{kind}-name") if name else "")


def text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    """Words; `anchor` is which end of them is at x."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def area(frame: Frame, points: list[tuple[float, float, float]], kind: str) -> str:
    """What is between two values of y over x, in steps: points are (x, lower, upper), each valid until the next."""
    if not points:
        return ""
    upper, lower = [], []
    for (x, low, high), (following, _, _) in zip(points, [*points[1:], points[-1]], strict=True):
        upper += [f"{frame.x(x)},{frame.y(high)}", f"{frame.x(following)},{frame.y(high)}"]
        lower += [f"{frame.x(x)},{frame.y(low)}", f"{frame.x(following)},{frame.y(low)}"]
    return f'<path class="{kind}" d="M{" L".join([*upper, *reversed(lower)])}Z"/>'


def bar(frame: Frame, left: float, right: float, low: float, high: float, kind: str, title: str) -> str:
    """A bar between two values of x and two of y; `title` shows where a pointer rests on it."""
    x, y = frame.x(left), frame.y(high)
    size = f'x="{x}" y="{y}" width="{frame.x(right) - x:.1f}" height="{frame.y(low) - y:.1f}"'
    return f'<rect class="{kind}" {size}><title>{escape(title)}</title></rect>'


def dot(frame: Frame, x: float, y: float, kind: str) -> str:
    """One point."""
    return f'<circle class="{kind}" cx="{frame.x(x)}" cy="{frame.y(y)}" r="2"/>'


def tick(frame: Frame, x: float) -> str:
    """A mark below the axis: something happened then."""
    place, base = frame.x(x), HEIGHT - _BOTTOM
    return f'<path class="death" d="M{place},{base} l-4,7 h8 z"/>'
