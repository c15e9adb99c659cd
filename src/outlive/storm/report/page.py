"""The page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from outlive.storm.record import Figures, Record
from outlive.storm.report import charts
from outlive.storm.report.style import STYLE

_ROWS = (
    ("requests", "requests"),
    ("answered", "answered"),
    ("refused: no connection to be had", "refused"),
    ("failed otherwise", "failed"),
    ("p50 of answered, ms", "p50_ms"),
    ("p99 of answered, ms", "p99_ms"),
    ("connections that functions made", "handshakes"),
    ("most connections at the database", "server_connections_peak"),
    ("transactions of the dead still open", "open_transactions"),
    ("dangling connections at the end", "dangling"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of how it was done."""

    name: str
    words: str


def page(title: str, summary: Sequence[str], records: Sequence[Record], facts: Sequence[Fact]) -> str:
    """The runs of `records` beside each other, as HTML. Texts are plain; they are escaped here."""
    seconds = max((record.seconds for record in records), default=1.0) or 1.0
    most = max((_busiest(record) for record in records), default=1)
    rows = [
        ("Connections on the database", _LEGEND_CONNECTIONS, [charts.connections(each, seconds) for each in records]),
        ("Requests", _LEGEND_REQUESTS, [charts.requests(each, most) for each in records]),
        ("Latency of answered requests", "", [charts.latency(each, seconds) for each in records]),
    ]
    body = [f"<h1>{escape(title)}</h1>", *(f'<p class="lead">{escape(line)}</p>' for line in summary)]
    for name, legend, drawings in rows:
        figures = "".join(
            f"<figure><figcaption>{escape(record.name)}</figcaption>{drawing}</figure>"
            for record, drawing in zip(records, drawings, strict=True)
        )
        body.append(f'<section><h2>{name}</h2>{legend}<div class="runs">{figures}</div></section>')
    body.append(_table(records))
    body.append(_facts(facts))
    return _FRAME.format(title=escape(title), style=STYLE, body="\n".join(body))


def _busiest(record: Record) -> int:
    counted = [0] * record.generations
    for request in record.requests:
        counted[request.generation] += 1
    return max([1, *counted])


def rows_of(figures: Sequence[Figures]) -> list[tuple[str, list[str]]]:
    """The figures of several runs, line by line: what it is, and its value in each run."""
    return [(name, [f"{getattr(each, field):,}" for each in figures]) for name, field in _ROWS]


def _table(records: Sequence[Record]) -> str:
    head = "".join(f'<th scope="col">{escape(record.name)}</th>' for record in records)
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for name, values in rows_of([record.figures for record in records])
    )
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<section><h2>In numbers</h2>{table}</section>"


def _facts(facts: Sequence[Fact]) -> str:
    lines = "".join(f"<dt>{escape(fact.name)}</dt><dd>{escape(fact.words)}</dd>" for fact in facts)
    return f"<section><h2>How it was measured</h2><dl>{lines}</dl></section>"


_LEGEND_CONNECTIONS = (
    '<p class="legend"><i class="alive"></i>alive <i class="dangling"></i>dangling: the other end is dead</p>'
)
_LEGEND_REQUESTS = (
    '<p class="legend"><i class="answered"></i>answered <i class="refused"></i>refused <i class="failed"></i>failed</p>'
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
