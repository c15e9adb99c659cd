"""The report: one HTML file that needs nothing else."""

from collections.abc import Iterator, Sequence
from html import escape

from outlive.storm.comparison import words
from outlive.storm.comparison.drawing import svg
from outlive.storm.comparison.facts import facts
from outlive.storm.comparison.panel import HEIGHT, WIDTH, panel
from outlive.storm.comparison.ridges import ridges
from outlive.storm.comparison.theme import PAGE_STYLE
from outlive.storm.results import Result
from outlive.storm.storm import Storm


def page(storm: Storm) -> str:
    """Of a storm that is over. Texts are plain; they are escaped here."""
    results = words.measured(storm)
    title = escape(words.title(storm))
    body = [
        f"<h1>{title}</h1>",
        f'<p class="under">{escape(words.under_title(storm))}</p>',
        _heroes(results),
        _board(results),
        _panels(results),
        _latency(storm, results),
        _how(storm),
    ]
    return _FRAME.format(title=title, style=PAGE_STYLE, body="\n".join(body))


_HEROES = ("persistent", "proxy")


def _heroes(results: Sequence[Result]) -> str:
    """What was done first, and what Outlive's port makes of it; the rest is in the table."""
    cards = "".join(_hero(result) for wanted in _HEROES for result in results if result.name == wanted)
    return f'<div class="heroes">{cards}</div>' if cards else ""


def _hero(result: Result) -> str:
    name, said = _capital(words.plain(result)), words.said(result)
    return (
        f'<div class="hero {_kind(result)}"><h2>{name}</h2><p class="number">{words.unanswered(result)}'
        f"<span> of the requests got no answer</span></p><p>{escape(_capital(said))}.</p></div>"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kind(result: Result) -> str:
    assert result.record is not None
    figures = result.record.figures
    return "bad" if figures.answered < figures.requests else "good"


def _board(results: Sequence[Result]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", *_COLUMNS))
    rows = "".join(_row(result) for result in results)
    return (
        f'<section><h2>Side by side</h2>{_LEGEND}<table class="board"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


_COLUMNS = (
    "requests",
    "refused",
    "failed",
    "p50",
    "p99",
    "connections at peak",
    "dangling at the end",
    "handshakes",
    "next generation served",
)


def _row(result: Result) -> str:
    cells = "".join(_cells(result))
    return f'<tr><th scope="row">{escape(result.name)}</th>{_bar(result)}{cells}</tr>'


def _bar(result: Result) -> str:
    assert result.record is not None
    figures = result.record.figures
    whole = max(figures.requests, 1)
    parts = "".join(
        f'<b class="{kind}" style="width:{100 * count / whole:.2f}%"></b>'
        for kind, count in (("answered", figures.answered), ("refused", figures.refused), ("failed", figures.failed))
        if count
    )
    title = f"{figures.answered:,} answered, {figures.refused:,} refused, {figures.failed:,} failed"
    return f'<td class="share" title="{title}"><div class="bar" role="img" aria-label="{title}">{parts}</div></td>'


def _cells(result: Result) -> Iterator[str]:
    assert result.record is not None
    figures = result.record.figures
    budget = result.policy.budget
    peak = f"{figures.server_connections_peak:,}" + (f" of {budget:,}" if budget is not None else "")
    recovery = words.recovery(result)
    yield _cell(_COLUMNS[1], f"{figures.refused:,}", bad=figures.refused > 0, good=figures.refused == 0)
    yield _cell(_COLUMNS[2], f"{figures.failed:,}", bad=figures.failed > 0, good=figures.failed == 0)
    yield _cell(_COLUMNS[3], words.milliseconds(figures.p50_ms))
    yield _cell(_COLUMNS[4], words.milliseconds(figures.p99_ms))
    yield _cell(_COLUMNS[5], peak)
    yield _cell(_COLUMNS[6], f"{figures.dangling:,}", bad=figures.dangling > 0, good=figures.dangling == 0)
    below = f"{result.server_handshakes:,} at the database" if result.policy.multiplexed == "transaction" else ""
    yield _cell(_COLUMNS[7], f"{figures.handshakes:,}", below=below)
    yield _cell(_COLUMNS[8], recovery, bad=recovery == "never", good=recovery == "at once")


def _cell(name: str, value: str, *, bad: bool = False, good: bool = False, below: str = "") -> str:
    kind = "bad" if bad else "good" if good else ""
    more = f"<small>{escape(below)}</small>" if below else ""
    return f'<td class="{kind}" data-name="{name}">{escape(value)}{more}</td>'


def _panels(results: Sequence[Result]) -> str:
    figures = "".join(_figure(result) for result in results)
    return f'<section><h2>Connections on the database</h2>{_CONNECTIONS}<div class="panels">{figures}</div></section>'


def _figure(result: Result) -> str:
    assert result.record is not None
    figures = result.record.figures
    label = f"Connections on the database over time, {result.name}: {figures.refused} of {figures.requests} refused"
    drawing = svg(WIDTH, HEIGHT, label, panel(result))
    return (
        f"<figure><figcaption><div><strong>{escape(result.name)}</strong><span>{escape(result.policy.title)}</span></div>"
        f'<em class="{_kind(result)}">{words.unanswered(result)}<small>no answer</small></em></figcaption>'
        f"{drawing}</figure>"
    )


def _latency(storm: Storm, results: Sequence[Result]) -> str:
    drawing = ridges(results, storm.load)
    if not drawing:
        return ""
    return f'<section><h2>How long an answer took</h2>{_ANSWERS}<figure class="wide">{drawing}</figure></section>'


def _how(storm: Storm) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts(storm))
    return f"<section><h2>How it was measured</h2><dl>{lines}</dl></section>"


_LEGEND = (
    '<p class="note"><i class="alive"></i>answered <i class="refused"></i>refused: no connection was to be had '
    '<i class="failed"></i>failed otherwise</p>'
)
_CONNECTIONS = (
    '<p class="note"><i class="alive"></i>alive <i class="dangling"></i>dangling: the other end is dead '
    '<i class="refused"></i>below: requests without an answer, by generation. All panels have the same axes.</p>'
)
_ANSWERS = (
    '<p class="note">From when the request came to its answer, the function\'s own time taken off; answered requests '
    "only. First mark: half were faster; red mark: 99 % were.</p>"
)

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
