"""`outlive demo`: the failure scenario in small, direct and through Outlive."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.cli.output import FAILED, OK, report, say

if TYPE_CHECKING:
    from outlive.storm.scenario import Figures, Size


def demo(
    generations: Annotated[int, typer.Option(min=1, max=50, help="How often all functions vanish.")] = 5,
    functions: Annotated[int, typer.Option(min=1, max=200, help="Functions in each generation.")] = 40,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Functions that vanish by the hundred on a small MariaDB of its own: direct, then through Outlive."""
    try:
        from outlive.storm.scenario import Scenario, Size
    except ModuleNotFoundError as error:
        if error.name != "pymysql":
            raise
        say("The demo's functions use PyMySQL, which is not installed. Run: pip install 'outlive[embedded]'")
        return FAILED
    from outlive.storm.children import ScenarioError
    from outlive.storm.hosts import HostError

    size = Size(generations=generations, functions=functions)
    try:
        direct = Scenario(size, through_outlive=False, progress=_progress)
        _progress(
            f"{size.total} functions in {generations} generations on a MariaDB with {size.max_connections} connections."
        )
        _progress(f"How they die: {direct.deaths}. Every tenth dies inside a transaction.")
        _progress("Direct:")
        before = direct.run()
        _progress(f"Through Outlive, on {size.budget} connections:")
        through = Scenario(size, through_outlive=True, progress=_progress)
        after = through.run()
    except (ScenarioError, HostError) as error:
        say(str(error))
        return FAILED
    if json:
        report({"size": asdict(size), "deaths": direct.deaths, "direct": _as_json(before), "outlive": _as_json(after)})
    else:
        _show(size, before, after)
    return OK if after.outcomes["served"] == size.total else FAILED


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _as_json(figures: Figures) -> dict[str, object]:
    return {
        "outcomes": dict(figures.outcomes),
        "median_s": figures.median_s,
        "peak_connections": figures.peak_connections,
        "dangling_connections": figures.dangling,
        "open_transactions": figures.open_transactions,
    }


def _show(size: Size, direct: Figures, through: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{size.total} functions, {size.max_connections} connections")
    table.add_column("")
    table.add_column("direct", justify="right")
    table.add_column("through Outlive", justify="right")
    rows: list[tuple[str, object, object]] = [
        ("functions served", direct.outcomes["served"], through.outcomes["served"]),
        ("refused: too many connections", direct.outcomes["refused"], through.outcomes["refused"]),
        ("failed otherwise", _failed(direct), _failed(through)),
        ("median time of a served function", f"{direct.median_s * 1000:.0f} ms", f"{through.median_s * 1000:.0f} ms"),
        ("most connections at the database", direct.peak_connections, through.peak_connections),
        ("transactions of the dead still open", direct.open_transactions, through.open_transactions),
        ("dangling connections at the end", direct.dangling, through.dangling),
    ]
    for name, left, right in rows:
        table.add_row(name, str(left), str(right))
    Console().print(table)


def _failed(figures: Figures) -> int:
    return figures.outcomes.total() - figures.outcomes["served"] - figures.outcomes["refused"]
