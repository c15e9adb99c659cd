"""`outlive demo`: the failure scenario in small, direct and through Outlive."""

from __future__ import annotations

import shutil
import signal
import sys
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import typer

from outlive.cli.output import FAILED, OK, USAGE, report, say

if TYPE_CHECKING:
    from outlive.storm.demo import Demo

PAGE: Final = "outlive-demo.html"
KEPT: Final = 4
"""Connections of the database that Outlive cannot have: three for superusers, and the observer's."""


class Death(StrEnum):
    """How functions vanish."""

    CUT = "cut"
    FROZEN = "frozen"


def demo(
    functions: Annotated[int, typer.Option(min=1, max=5000, help="Functions that vanish in each run.")] = 300,
    generations: Annotated[int, typer.Option(min=1, max=30, help="They come, and vanish, in so many groups.")] = 10,
    max_connections: Annotated[int, typer.Option(min=10, max=500, help="Of the database.")] = 50,
    budget: Annotated[int, typer.Option(min=1, max=496, help="Outlive's connections to the database.")] = 20,
    death: Annotated[
        Death | None, typer.Option(help="Links cut, or frozen by SIGSTOP [cut where the machine allows it].")
    ] = None,
    page: Annotated[
        str | None, typer.Option(metavar="FILE", help=f"A page with plots of both runs [{PAGE}; with --json none].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Functions that vanish by the hundred, on a small PostgreSQL of its own: direct, then through Outlive."""
    from outlive.storm import room
    from outlive.storm.demo import Demo
    from outlive.storm.errors import ScenarioError
    from outlive.storm.place import place
    from outlive.storm.scenario import Size

    if budget > max_connections - KEPT:
        say(f"A budget of {budget} does not fit into {max_connections} connections: {KEPT} are superusers'.")
        return USAGE
    obstacle = ""
    if not room.inside():
        obstacle = "as --death asks" if death is Death.FROZEN else room.obstacle()
        if death is Death.CUT and obstacle:
            say(f"Links cannot be cut on this machine: {obstacle}. Leave --death out to have functions frozen instead.")
            return FAILED
        if not obstacle:
            sizes = {"functions": functions, "generations": generations, "max-connections": max_connections}
            arguments = [f"--{name}={value}" for name, value in {**sizes, "budget": budget}.items()]
            room.enter(["demo", *arguments, *([f"--page={page}"] if page else []), *(["--json"] if json else [])])
    began = monotonic()
    shown = Demo(place(obstacle), Size(functions, generations), max_connections, budget)
    try:
        _run(shown)
    except ScenarioError as error:
        say(str(error))
        return FAILED
    if json:
        report(_as_json(shown, monotonic() - began))
    else:
        _show(shown, monotonic() - began)
    written = _write(Path(page or PAGE), shown) if page or not json else True
    if not json:
        _say_what_next(Path(page or PAGE) if written else None)
    held = shown.records[1].figures
    kept = held.answered == held.requests and held.server_connections_peak <= budget and not held.dangling
    return OK if kept and written else FAILED


def _run(shown: Demo) -> None:
    from rich.console import Console

    from outlive.cli.picture import DemoPicture

    # As Ctrl-C does: what was started is ended in order, and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    size = shown.size
    console.print(
        f"{size.functions} functions live and die, in {size.generations} generations, and close nothing: "
        f"{shown.place.deaths}.\n",
        markup=False,
        highlight=False,
    )
    with DemoPicture(shown, console):
        shown.run()


def _as_json(shown: Demo, seconds: float) -> dict[str, object]:
    direct, through = shown.records
    return {
        "database": shown.database,
        "max_connections": direct.limit,
        "budget": through.budget,
        "generations": shown.size.generations,
        "deaths": shown.place.deaths,
        "seconds": round(seconds, 1),
        "direct": {**direct.figures.as_json(), "codes": dict(direct.codes)},
        "outlive": {**through.figures.as_json(), "codes": dict(through.codes)},
    }


def _show(shown: Demo, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from outlive.storm.report import rows_of
    from outlive.storm.summary import sentences

    table = Table(
        title=f"{shown.database}, max_connections = {shown.max_connections}, in {seconds:.0f} s", title_justify="left"
    )
    table.add_column("")
    for record in shown.records:
        table.add_column(record.name, justify="right")
    for name, values in rows_of([record.figures for record in shown.records]):
        table.add_row(name, *values)
    console = Console()
    console.print(table)
    for sentence in sentences(*shown.records):
        console.print(sentence, markup=False, highlight=False)


def _write(file: Path, shown: Demo) -> bool:
    from outlive.storm.demo_page import demo_page

    try:
        file.write_text(demo_page(shown), encoding="utf-8")
    except OSError as error:
        say(f"The page cannot be written to {file}: {error.strerror}. Name another file with --page.")
        return False
    return True


def _say_what_next(file: Path | None) -> None:
    outlive = _command()
    lines = ["", *([f"Both runs as a picture: {file.absolute()}"] if file is not None else [])]
    lines += [
        "What to type next:",
        f"  {outlive} serve",
        "      a PostgreSQL of its own, for your functions' drivers on 127.0.0.1:6432",
        f"  {outlive} serve 'postgresql://USER@HOST/DATABASE?password_env=DB_PASSWORD&max_connections=20'",
        "      your own database",
        f"  {outlive} demo --functions 1000 --generations 20",
        "      more of them",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _command() -> str:
    """How this program is called here: it may be in a virtual environment that is not active."""
    beside = Path(sys.executable).with_name("outlive")
    if shutil.which("outlive") is not None or not beside.exists():
        return "outlive"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
