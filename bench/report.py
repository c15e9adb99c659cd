"""The figures as Markdown: RESULTS.md, with a section for everything that is measured."""

import datetime
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).parent / "RESULTS.md"

_HEAD = """\
# Results

The database, the load and the relays share the cores, so the throughput is of all of them together; CPU is the relay
process's alone, user and system, an event (a query, a transaction, or a connection with one). Every figure is the
median of several rounds in which the ways alternate. Outlive runs as it comes, with every hazard treatment on. The
ratios are what is claimed; the other figures are this machine's."""


@dataclass(frozen=True, slots=True)
class Section:
    """The result of one measurement: its table in Markdown under its part's and its own heading."""

    part: str
    heading: str
    table: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is measured of one protocol: a paragraph about it, and the headings of its sections by name, in order."""

    title: str
    about: str
    headings: Mapping[str, str]

    def section(self, name: str, table: str) -> Section:
        return Section(self.title, self.headings[name], table)


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


def write(parts: Sequence[Part], section: Section, *, command: str) -> None:
    """Put a section into RESULTS.md, made by `command` today; the others of `parts` stay as they are."""
    today = datetime.datetime.now(datetime.UTC).date()
    made = f"Made by `{command}` on {today}: {machine()}."
    bodies = _bodies(PATH.read_text() if PATH.exists() else "")
    bodies[section.part, section.heading] = f"{made}\n\n{section.table}"
    pieces = [_HEAD]
    for part in parts:
        known = [heading for heading in part.headings.values() if (part.title, heading) in bodies]
        if known:
            pieces += [f"## {part.title}", part.about]
        for heading in known:
            pieces += [f"### {heading}", bodies[part.title, heading]]
    PATH.write_text("\n\n".join(pieces) + "\n")


def _bodies(text: str) -> dict[tuple[str, str], str]:
    """What stands under each heading, by the part's and the section's."""
    found = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        for section in re.split(r"^### ", rest, flags=re.MULTILINE)[1:]:
            heading, _, body = section.partition("\n")
            found[title, heading] = body.strip()
    return found
