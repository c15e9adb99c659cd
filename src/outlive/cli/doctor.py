"""`outlive doctor`: what a database allows, and who holds its connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from outlive.cli.output import OK, printable, report

if TYPE_CHECKING:
    from rich.console import Console

    from outlive.doctor.examination import Examination

_TOP: Final = 8
"""Lines of a table of holders; --json has all."""
_BAR: Final = 40
_COLOURS: Final = {"critical": "bold red", "warning": "yellow", "note": "cyan", "good": "green"}


def doctor(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="mysql://, postgresql:// or redis://, of an operator [OUTLIVE_URL]."),
    ] = None,
    *,
    admin_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="In place of the URL's, when that one is full.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """What a database really allows and who holds it: limits, timeouts, holders, sockets, and what to mend.

    Exit status: 0 it was examined (whatever was found), 1 it could not be, 2 wrong arguments.
    """
    from outlive.census.errors import CensusError
    from outlive.cli.target import database_of, failed
    from outlive.doctor.examination import examine

    database = database_of(url)
    try:
        found = asyncio.run(examine(database, port=admin_port))
    except CensusError as error:
        return failed(error, json=json)
    if json:
        report(found.as_json())
    else:
        _show(found)
    return OK


def _show(found: Examination) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{found.product} at {found.address}: {len(found.clients)} connections", style="bold", markup=False)
    _show_holders(found, console)
    _show_histogram(found, console)
    _show_findings(found, console)
    for sentence in found.blind:
        console.print(sentence, markup=False)


def _show_holders(found: Examination, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from outlive.doctor.holders import BY
    from outlive.doctor.words import span

    for by in BY:
        listed = found.holders(by)
        if not listed or (len(listed) == 1 and not listed[0].name):
            continue
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in (f"by {by}", "connections", "active", "idle", "in transaction", "longest idle"):
            table.add_column(column, justify="left" if column.startswith("by ") else "right")
        for one in listed[:_TOP]:
            counts = (one.connections, one.active, one.idle, one.in_transaction)
            table.add_row(escape(printable(one.name)[:60]) or "-", *map(str, counts), span(round(one.longest_idle_s)))
        if len(listed) > _TOP:
            table.add_row(f"... {len(listed) - _TOP} more", *([""] * 5))
        console.print()
        console.print(table)


def _show_histogram(found: Examination, console: Console) -> None:
    from math import isinf

    from outlive.doctor.words import span

    counts = found.histogram()
    most = max(count for _, count in counts)
    if not most:
        return
    console.print("\nidle for", style="dim")
    for bound, count in counts:
        name = "longer" if isinf(bound) else f"up to {span(bound)}"
        console.print(f"  {name:<13} {count:>6} {'█' * -(-count * _BAR // most)}", markup=False)


def _show_findings(found: Examination, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for finding in found.findings:
        console.print()
        head = Text(f"{finding.severity.value}: ", style=_COLOURS[finding.severity.value])
        console.print(
            head
            + Text(printable(finding.subject), style="bold")
            + Text(f": {printable(finding.measured)}.", style="default")
        )
        if finding.severity.value == "good":
            continue
        console.print(Padding(Text(finding.why), (0, 0, 0, 2), expand=False))
        if finding.mend:
            console.print(Padding(Text(f"-> {printable(finding.mend)}", style="green"), (0, 0, 0, 2), expand=False))
        console.print(Padding(Text(finding.source, style="dim"), (0, 0, 0, 2), expand=False))
