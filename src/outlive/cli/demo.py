"""`outlive demo`: the failure scenario in small, direct and through Outlive."""

from __future__ import annotations

import shutil
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from outlive.cli.output import FAILED, OK, USAGE, report, say

if TYPE_CHECKING:
    from outlive.storm.demo import Demo
    from outlive.storm.record import Figures
    from outlive.storm.storm import Storm

PAGE: Final = "outlive-demo.html"
KEPT: Final = 5
"""Connections of the database that Outlive cannot have: three for superusers, and two of the storm's own."""


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
    from outlive.cli.storm import write
    from outlive.cli.storm_picture import show
    from outlive.storm import room
    from outlive.storm.demo import Demo, demo_load
    from outlive.storm.errors import ScenarioError

    if budget > max_connections - KEPT:
        say(f"A budget of {budget} does not fit into {max_connections} connections: {KEPT} are not to be had.")
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
    try:
        shown = Demo(demo_load(functions, generations), max_connections, budget, obstacle)
    except ValueError as error:
        say(str(error))
        return USAGE
    try:
        storm = _run(shown)
    except ScenarioError as error:
        say(str(error))
        return FAILED
    written = write(storm, page or (None if json else PAGE))
    if json:
        report(_as_json(storm))
    else:
        show(storm, Path(page or PAGE) if written else None)
        _say_what_next()
    held = _figures(storm)["proxy"]
    kept = held.answered == held.requests and held.server_connections_peak <= budget and not held.dangling
    return OK if kept and written else FAILED


def _run(shown: Demo) -> Storm:
    from rich.console import Console

    from outlive.cli.storm_picture import DemoPicture

    # As Ctrl-C does: what was started is ended in order, and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    load = shown.load
    console.print(
        f"{load.functions} functions live and die, in {load.generations} generations, and close nothing.\n",
        markup=False,
        highlight=False,
    )
    with DemoPicture(shown, console):
        shown.run()
    assert shown.storm is not None
    return shown.storm


def _figures(storm: Storm) -> dict[str, Figures]:
    return {result.name: result.record.figures for result in storm.results if result.record is not None}


def _as_json(storm: Storm) -> dict[str, object]:
    direct, through = storm.results
    figures = _figures(storm)
    assert direct.record is not None
    assert through.record is not None
    return {
        "database": storm.product,
        "max_connections": storm.limit,
        "budget": storm.budget,
        "generations": storm.load.generations,
        "deaths": storm.deaths,
        "seconds": round(storm.seconds, 1),
        "direct": {**figures[direct.name].as_json(), "codes": dict(direct.record.codes)},
        "outlive": {**figures[through.name].as_json(), "codes": dict(through.record.codes)},
    }


def _say_what_next() -> None:
    outlive = _command()
    lines = ["", "What to type next:"]
    lines += [
        f"  {outlive} serve",
        "      a PostgreSQL of its own, for your functions' drivers on 127.0.0.1:6432",
        f"  {outlive} serve 'postgresql://USER@HOST/DATABASE?password_env=DB_PASSWORD&max_connections=20'",
        "      your own database",
        f"  {outlive} storm 'postgresql://USER@127.0.0.1/DATABASE?password_env=DB_PASSWORD'",
        "      the same on a database of yours that nobody else needs, under every remedy",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _command() -> str:
    """How this program is called here: it may be in a virtual environment that is not active."""
    beside = Path(sys.executable).with_name("outlive")
    if shutil.which("outlive") is not None or not beside.exists():
        return "outlive"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
