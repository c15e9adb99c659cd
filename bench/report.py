"""The figures as Markdown."""

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

PATH = Path(__file__).parent / "RESULTS.md"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def machine() -> str:
    """What was measured on, without its name."""
    info = Path("/proc/cpuinfo").read_text()
    models = (line.split(": ", 1)[1] for line in info.splitlines() if line.startswith("model name"))
    model = next(models, platform.machine())
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores ({model}), Linux {kernel}, Python {platform.python_version()}"


_HEAD = """\
# Results

Made by `{command}` on {date}: {machine}.

The database, the load and the relays share the cores, so the throughput is of all of them together; CPU a query is the
relay process's alone, user and system. Every figure is the median of several rounds in which the ways alternate.
Outlive runs as it comes, with every hazard treatment on and {budget} server connections. "Ratio" is Outlive's CPU a
query divided by HAProxy's in TCP mode with one thread, the floor of any relay."""


def write(sections: Sequence[str], *, command: str, budget: int) -> None:
    """Write RESULTS.md."""
    today = datetime.datetime.now(datetime.UTC).date()
    head = _HEAD.format(command=command, date=today, machine=machine(), budget=budget)
    PATH.write_text("\n\n".join([head, *sections]) + "\n")
