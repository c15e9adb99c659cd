"""`outlive storm`: the failure scenario on a database of the user's, under every remedy."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from outlive.cli.output import FAILED, OK, USAGE, report, say

if TYPE_CHECKING:
    from outlive.storm.storm import Storm

PAGE: Final = "outlive-storm.html"
WORLD_LIFETIME_S: Final = 600.0
"""An instance lives ten minutes in the world: its lifetime in the run gives the time scale."""
_GENERATION_S: Final = 3.0
_OVERHEAD_S: Final = 6.0
"""Of each remedy: programs are started before, and the database is looked at afterwards."""


def storm(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="mysql://, mariadb:// or postgresql:// [OUTLIVE_URL]."),
    ] = None,
    *,
    functions: Annotated[int, typer.Option(min=1, max=20_000, help="Instances in all, for each remedy.")] = 1000,
    generations: Annotated[int, typer.Option(min=1, max=30, help="They come, and vanish, in so many groups.")] = 10,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=3600, help="All generations of one remedy take this long [3 each]."),
    ] = None,
    remedies: Annotated[str | None, typer.Option(metavar="A,B", help="Of these only [all that can run here].")] = None,
    rtt: Annotated[float, typer.Option(min=0, max=1000, help="Round-trip time of functions, in ms.")] = 20.0,
    rate: Annotated[
        float, typer.Option(min=0, max=1000, help="Requests of an instance a second, after its first.")
    ] = 1.0,
    database_ms: Annotated[
        float, typer.Option(min=0, max=10_000, help="Mean time of a transaction at the database, in ms.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same arrivals.")] = 1,
    budget: Annotated[
        int | None,
        typer.Option(min=2, max=100_000, help="Of what shares connections [60 % of what is free, 100 at most]."),
    ] = None,
    i_know: Annotated[bool, typer.Option("--i-know", help="The database is not on this host; fill it anyway.")] = False,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Functions are frozen by SIGSTOP, where links could be cut too.")
    ] = False,
    page: Annotated[
        str | None, typer.Option(metavar="FILE", help=f"The report, one HTML file [{PAGE}; with --json none].")
    ] = None,
    png: Annotated[str | None, typer.Option(metavar="FILE", help="The main figure, for documents.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Functions that vanish by the hundred, on a database of yours: as they are, and under each remedy.

    It fills the database: never use one that others need. It makes tables of its own and removes them.
    """
    from outlive.cli.target import database_of
    from outlive.config.addresses import is_loopback
    from outlive.storm.errors import ScenarioError
    from outlive.storm.load import Load
    from outlive.storm.policy import POLICIES
    from outlive.storm.storm import Storm, names

    database = database_of(url)
    if not i_know and not is_loopback(database.hosts[0].host):
        say(
            f"{database.hosts[0].host} is not this host, and a storm uses up all connections of a database: give "
            "--i-know if nobody else needs it."
        )
        return USAGE
    if database.scheme == "redis":
        say(
            "A storm is of transactions at a MySQL, MariaDB or PostgreSQL, and Redis has none to measure: name such a "
            "database, or look at the Redis with outlive doctor URL and outlive reap URL."
        )
        return USAGE
    lifetime_s = (seconds or generations * _GENERATION_S) / generations
    try:
        chosen = names(remedies) if remedies is not None else list(POLICIES)
    except ValueError as error:
        say(f"{error} Known remedies: {', '.join(POLICIES)}.")
        return USAGE
    try:
        load = Load(
            functions=functions,
            generations=generations,
            lifetime_s=lifetime_s,
            arrival_s=min(0.8, lifetime_s / 4),
            rate_per_s=rate,
            database_s=database_ms / 1000,
            rtt_s=rtt / 1000,
            time_scale=WORLD_LIFETIME_S / lifetime_s,
            seed=seed,
        )
    except ValueError as error:
        say(str(error))
        return USAGE
    shown = Storm(database, load, chosen, budget or 0, reason="--frozen asks for it" if frozen else "")
    try:
        _run(shown)
        written = write(shown, page or (None if json else PAGE), png)
    except ScenarioError as error:
        say(str(error))
        return FAILED
    if json:
        report(shown.as_json())
    else:
        from outlive.cli.storm_picture import show

        show(shown, Path(page or PAGE) if written else None)
    return OK if written else FAILED


def _run(shown: Storm) -> None:
    from rich.console import Console

    from outlive.cli.storm_picture import StormPicture

    # As Ctrl-C does: what was started is ended in order, and the tables are dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    load = shown.load
    console.print(
        f"{load.functions} functions in {load.generations} generations of {load.lifetime_s:g} s, under each of "
        f"{len(shown.remedies)} remedies: about {_minutes(shown)}. It fills the database.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    with StormPicture(shown, console):
        shown.run()


def _minutes(shown: Storm) -> str:
    seconds = len(shown.remedies) * (shown.load.generations * shown.load.lifetime_s + _OVERHEAD_S)
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"


def write(shown: Storm, page: str | None, png: str | None = None) -> bool:
    """The report and its figure. False where a file cannot be written, after that was said."""
    from outlive.storm.comparison.figure import png as drawn
    from outlive.storm.comparison.page import page as written

    try:
        if page is not None:
            Path(page).write_text(written(shown), encoding="utf-8")
        if png is not None:
            Path(png).write_bytes(drawn(shown))
    except OSError as error:
        say(f"{error.filename} cannot be written: {error.strerror}. Name another file.")
        return False
    return True
