"""What `outlive storm` and `outlive demo` show on a terminal: remedies, as the database and the functions tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from outlive.cli.picture import ALIVE, DANGLING, REFUSED, SOFT, LivePicture, panel
from outlive.storm.comparison import words
from outlive.storm.run import SETTLE_S

if TYPE_CHECKING:
    from pathlib import Path

    from outlive.storm.demo import Demo
    from outlive.storm.load import Load
    from outlive.storm.results import Result
    from outlive.storm.storm import Storm

HEADS: Final = (
    "remedy",
    "re-\nquests",
    "re-\nfused",
    "failed",
    "p50\nms",
    "p99\nms",
    "peak",
    "dang-\nling",
    "hand-\nshakes",
    "next\nserved",
)


class StormPicture(LivePicture):
    """See `LivePicture`."""

    def __init__(self, storm: Storm, console: Console) -> None:
        super().__init__(console)
        self._storm = storm
        storm.tell = self.told

    def render(self) -> RenderableType:
        """What is on the terminal now: the table so far, and the run at hand."""
        storm = self._storm
        over = [result for result in storm.results if result.record is None or result.record.seconds]
        parts: list[RenderableType] = [table(over)] if over else []
        now = next((result.record for result in storm.results if result.record and not result.record.seconds), None)
        if now is not None:
            parts.append(panel(now.name, now, expected_s(storm.load), self.columns))
        return Group(*parts, self.status)


class DemoPicture(LivePicture):
    """Of `outlive demo`: both of its runs, one below the other."""

    def __init__(self, demo: Demo, console: Console) -> None:
        super().__init__(console)
        self._demo = demo
        demo.tell = self.told

    def render(self) -> RenderableType:
        """See `LivePicture`."""
        runs = [(words.plain(result), result.record) for result in self._demo.results if result.record is not None]
        seconds = max([expected_s(self._demo.load), *(record.seconds for _, record in runs)])
        return Group(*(panel(name, record, seconds, self.columns) for name, record in runs), self.status)


def expected_s(load: Load) -> float:
    """How wide a run's picture is in time. A first guess: it widens when it takes longer."""
    return load.generations * load.lifetime_s + SETTLE_S + 2.0


def show(storm: Storm, page: Path | None) -> None:
    """What it showed, on standard output: a table, a sentence for each remedy, and how it was done."""
    console = Console()
    made = table(storm.results)
    made.title = words.under_title(storm)
    console.print(made)
    lines = [*words.sentences(storm), *(f"{each.name}: skipped, as {each.skipped}." for each in words.skipped(storm))]
    lines += ["", f"Functions vanish so: {storm.deaths}. {storm.seen}"]
    if storm.load.rtt_s:
        lines.append(f"Round trips are made by: {storm.rtt_by}.")
    if page is not None:
        lines.append(f"The report, with charts: {page.absolute()}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def table(results: list[Result]) -> Table:
    """The figures so far: a line for each remedy."""
    made = Table(title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, head in enumerate(HEADS):
        made.add_column(head, justify="right" if number else "left", no_wrap=True)
    for result in results:
        if result.record is None:
            made.add_row(result.name, Text("-", SOFT))
            continue
        made.add_row(*_row(result))
    return made


def _row(result: Result) -> list[Text]:
    assert result.record is not None
    figures = result.record.figures
    budget = result.policy.budget
    recovery = words.recovery(result)
    return [
        Text(result.name, "bold"),
        Text(f"{figures.requests:,}"),
        Text(f"{figures.refused:,}", REFUSED if figures.refused else ALIVE),
        Text(f"{figures.failed:,}", REFUSED if figures.failed else ALIVE),
        Text(f"{figures.p50_ms:,.0f}"),
        Text(f"{figures.p99_ms:,.0f}"),
        Text(f"{figures.server_connections_peak:,}" + (f"/{budget:,}" if budget is not None else "")),
        Text(f"{figures.dangling:,}", DANGLING if figures.dangling else ALIVE),
        Text(f"{figures.handshakes:,}"),
        Text(recovery, DANGLING if recovery == "never" else ALIVE if recovery == "at once" else ""),
    ]
