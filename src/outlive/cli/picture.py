"""Live pictures on a terminal: what the database and the functions say, as it comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from outlive.storm.record import Record, percentile

if TYPE_CHECKING:
    from types import TracebackType

REFRESH_PER_S: Final = 8
RECENT_S: Final = 2.0
ROWS: Final = 5
COLUMNS: Final = 60
FRAME: Final = 13  # what stands beside them
ALIVE, DANGLING, REFUSED, SOFT = "cyan", "red", "yellow", "bright_black"
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


class LivePicture(ABC):
    """Shows what runs on a terminal while it is entered; elsewhere its lines, one after the other."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = ""
        self._began = monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self.render, refresh_per_second=REFRESH_PER_S)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._line = "over" if error is None else "ended before it was over"
            self._live.stop()

    def told(self, line: str) -> None:
        """What runs has got so far."""
        self._line = line.strip()
        if self._live is None:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def status(self) -> Text:
        """How long it has run, and what it does now."""
        return Text.assemble((f"{monotonic() - self._began:4.0f} s  ", "bold"), self._line)

    @property
    def columns(self) -> int:
        """How wide the pictures may be."""
        return min(COLUMNS, max(1, self._console.width - FRAME))

    @abstractmethod
    def render(self) -> RenderableType:
        """What is on the terminal now."""


def panel(name: str, record: Record, seconds: float, columns: int) -> Panel:
    """One run, `columns` wide for `seconds`."""
    lines = [*_history(record, seconds, columns), _connections(record), _requests(record), _latency(record)]
    if record.seconds:
        title = f"{name}: {record.functions} functions, all dead"
    else:
        title = f"{name}: {record.functions} functions, {len(record.deaths)} generations of them dead"
    return Panel(Group(*lines), title=title, title_align="left", width=columns + FRAME, border_style=SOFT)


def _history(record: Record, seconds: float, width: int) -> Iterator[Text]:
    """Connections over time: the highest look of each column, the dangling ones below."""
    looks = list(record.looks)
    seconds = max(seconds, looks[-1].at if looks else 0.0)
    columns: list[tuple[int, int] | None] = [None] * width
    for look in looks:
        place = min(int(look.at / seconds * width), width - 1)
        columns[place] = max(columns[place] or (0, 0), (look.connections, look.dangling))
    for row in range(ROWS, 0, -1):
        name = {ROWS: f"{record.limit:>3} most", 1: "  0"}.get(row, "")
        text = Text(f"{name:<9}", SOFT)
        for column in columns:
            text.append(*_cell(column, row, record.limit))
        yield text


def _cell(column: tuple[int, int] | None, row: int, limit: int) -> tuple[str, str]:
    """One character: an eighth of its height is the least that shows."""
    if column is None:
        return " ", ""
    connections, dangling = (number * ROWS / limit for number in column)
    if connections <= row - 1:
        return ("·" if row == 1 else " "), SOFT
    filled = _BLOCKS[max(1, min(8, round((connections - row + 1) * 8)))]
    if dangling <= row - 1:
        return filled, ALIVE
    if dangling >= min(row, connections):
        return filled, DANGLING
    # The boundary of the two: the dead below, the living in the rest of the cell.
    return _BLOCKS[
        max(1, min(8, round((dangling - row + 1) * 8)))
    ], f"{DANGLING} on {ALIVE}" if connections >= row else DANGLING


def _connections(record: Record) -> Text:
    look = record.looks[-1] if record.looks else None
    now, dead = (look.connections, look.dangling) if look else (0, 0)
    text = Text.assemble(("database  ", SOFT), f"{now:>3} connections: ")
    text.append(f"{now - dead:>3} alive", ALIVE).append(", ").append(f"{dead:>3} dangling", DANGLING if dead else SOFT)
    return text.append(f"   of {record.limit}" if record.budget is None else f"   budget {record.budget}", SOFT)


def _requests(record: Record) -> Text:
    outcomes = record.outcomes
    text = Text.assemble(("requests  ", SOFT), (f"{outcomes['answered']:>5} answered", ALIVE), ", ")
    text.append(f"{outcomes['refused']:>5} refused", REFUSED if outcomes["refused"] else SOFT).append(", ")
    return text.append(f"{outcomes['failed']:>3} failed", REFUSED if outcomes["failed"] else SOFT)


def _latency(record: Record) -> Text:
    """Of the last seconds; when it is over, of all."""
    since = 0.0 if record.seconds or not record.looks else record.looks[-1].at - RECENT_S
    # Requests come nearly in the order in which they began: the last ones are enough.
    requests = list(record.requests) if record.seconds else record.requests[-500:]
    answered = [each.seconds for each in requests if each.outcome == "answered" and each.at >= since]
    text = Text("latency     ", SOFT)
    if not requests:
        return text.append("-", SOFT)
    if not answered:
        return text.append("nothing is answered", REFUSED)
    p50, p99 = (percentile(answered, percent) * 1000 for percent in (50, 99))
    return text.append(f"p50 {p50:.0f} ms, p99 {p99:.0f} ms")
