"""Marks of an SVG inside a box of it. Colours are classes, which theme.py gives their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Box:
    """Where on the drawing something is: `x_end` and `y_end` are the values at its right and upper edges; 0 is left and
    below.
    """

    left: float
    top: float
    width: float
    height: float
    x_end: float = 1.0
    y_end: float = 1.0

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, value: float) -> float:
        return round(self.left + self.width * min(max(value / self.x_end, 0.0), 1.0), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - self.height * min(max(value / self.y_end, 0.0), 1.0), 1)


def svg(width: float, height: float, label: str, marks: Iterable[str], *, style: str = "") -> str:
    """One drawing; `label` tells those who do not see it what it shows. With a style it stands for itself."""
    alone = f' xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"' if style else ""
    inside = f"<style>{style}</style>" if style else ""
    return (
        f'<svg{alone} viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{inside}{''.join(marks)}</svg>"
    )


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    """Words; `anchor` is which end of them is at x."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def rectangle(x: float, y: float, width: float, height: float, kind: str, *, title: str = "", more: str = "") -> str:
    """`title` shows where a pointer rests on it."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{max(width, 0):g}" height="{max(height, 0):g}"{more}>'
        f"{inside}</rect>"
    )


def steps(box: Box, points: Sequence[tuple[float, float, float]], kind: str) -> str:
    """What is between two values of y over x: points are (x, lower, upper), each valid until the next."""
    if not points:
        return ""
    upper, lower = [], []
    for (x, low, high), (following, _, _) in zip(points, [*points[1:], points[-1]], strict=True):
        upper += [f"{box.x(x):g},{box.y(high):g}", f"{box.x(following):g},{box.y(high):g}"]
        lower += [f"{box.x(x):g},{box.y(low):g}", f"{box.x(following):g},{box.y(low):g}"]
    return f'<path class="{kind}" d="M{" L".join([*upper, *reversed(lower)])}Z"/>'
