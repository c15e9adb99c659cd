"""`python -m bench storm`: a thousand functions on databases with the limits that everybody meets, under every remedy.

Writes docs/remedies/storm-results.md, and beside it for each database the figure (SVG, PNG), the report (HTML) and the
figures as JSON.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.servers import MariaDB, Postgres15
from tests.servers.database import APP

from outlive.cli.target import database_of
from outlive.storm.comparison import words
from outlive.storm.comparison.figure import figure, png
from outlive.storm.comparison.page import page
from outlive.storm.load import Load
from outlive.storm.policy import POLICIES
from outlive.storm.results import Result
from outlive.storm.storm import Storm

from . import report

FOLDER = Path(__file__).parent.parent / "docs" / "remedies"
_LIFETIME_S = 600.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """One database and what comes to it. `shown` are the remedies of its figure, as many as are seen at a glance."""

    name: str
    title: str
    server: Callable[[], MariaDB | Postgres15]
    load: Load
    shown: tuple[str, ...]


def _load(functions: int, generations: int, lifetime_s: float, *, arrival_s: float, rate_per_s: float) -> Load:
    return Load(
        functions=functions,
        generations=generations,
        lifetime_s=lifetime_s,
        arrival_s=arrival_s,
        rate_per_s=rate_per_s,
        time_scale=_LIFETIME_S / lifetime_s,
    )


CONFIGURATIONS = (
    Configuration(
        "mariadb-151",
        "MariaDB, max_connections = 151 (its default): 1,000 functions, a hundred at a time",
        lambda: MariaDB(max_connections=151),
        _load(1000, 10, 3.0, arrival_s=0.8, rate_per_s=1.0),
        ("persistent", "ttl", "per-request", "reaper", "haproxy", "proxy"),
    ),
    Configuration(
        "postgres-100",
        "PostgreSQL, max_connections = 100 (its default): 1,000 functions, a hundred at a time",
        # The test server's own three are on top of what is asked for.
        lambda: Postgres15(max_connections=97),
        _load(1000, 10, 3.0, arrival_s=0.8, rate_per_s=1.0),
        ("persistent", "per-request", "reaper", "haproxy", "pgbouncer", "proxy"),
    ),
    Configuration(
        "mariadb-1000",
        "MariaDB, max_connections = 1,000: 1,000 functions at once, four times",
        lambda: MariaDB(max_connections=1000),
        _load(4000, 4, 8.0, arrival_s=4.0, rate_per_s=0.25),
        ("persistent", "ttl", "per-request", "reaper", "haproxy", "proxy"),
    ),
)


def main(arguments: list[str]) -> None:
    """Run what the command line asks for; each is written as soon as it is done."""
    parser = argparse.ArgumentParser(prog="python -m bench storm", description=__doc__)
    names = [configuration.name for configuration in CONFIGURATIONS]
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(names)}; default all")
    parser.add_argument("--remedies", help="of these only (then nothing is written)")
    given = parser.parse_args(arguments)
    if unknown := set(given.what) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for configuration in CONFIGURATIONS:
        if not given.what or configuration.name in given.what:
            storm = measure(configuration, given.remedies.split(",") if given.remedies else list(POLICIES))
            print(f"## {configuration.title}\n\n{table(storm)}\n", flush=True)
            if not given.remedies:
                write(configuration, storm)


def measure(configuration: Configuration, remedies: list[str]) -> Storm:
    """The storm, over."""
    with configuration.server() as server:
        if isinstance(server, MariaDB):
            server.query(f"GRANT PROCESS ON *.* TO {APP.user}@'%'")  # so that open transactions are seen
        database = database_of(server.url())
        storm = Storm(
            database, configuration.load, remedies, tell=lambda line: print(line, file=sys.stderr, flush=True)
        )
        storm.run()
    return storm


def table(storm: Storm) -> str:
    """The figures as Markdown."""
    head = ("", "requests", "refused", "failed", "p50", "p99", "connections at peak", "dangling", "handshakes",
            "next generation served")  # fmt: skip
    return report.table(head, [_row(result) for result in words.measured(storm)])


def _row(result: Result) -> list[str]:
    assert result.record is not None
    figures = result.record.figures
    budget = f" of {result.policy.budget}" if result.policy.budget is not None else ""
    return [
        f"`{result.name}`",
        f"{figures.requests:,}",
        f"{figures.refused:,} ({words.share(figures.refused, figures.requests)})",
        f"{figures.failed:,}",
        words.milliseconds(figures.p50_ms),
        words.milliseconds(figures.p99_ms),
        f"{figures.server_connections_peak:,}{budget}",
        f"{figures.dangling:,}",
        f"{figures.handshakes:,}",
        words.recovery(result),
    ]


def write(configuration: Configuration, storm: Storm) -> None:
    """Its files, and its section of the results; the other sections stay as they are."""
    FOLDER.mkdir(exist_ok=True)
    stem = FOLDER / f"storm-{configuration.name}"
    stem.with_suffix(".svg").write_text(figure(storm, configuration.shown) + "\n")
    stem.with_suffix(".png").write_bytes(png(storm, configuration.shown))
    stem.with_suffix(".html").write_text(page(storm))
    stem.with_suffix(".json").write_text(json.dumps(storm.as_json(), indent=1) + "\n")
    path = FOLDER / "storm-results.md"
    sections = _sections(path.read_text()) if path.exists() else {}
    sections[configuration.title] = _section(configuration, storm)
    bodies = [f"## {each.title}\n\n{sections[each.title]}" for each in CONFIGURATIONS if each.title in sections]
    path.write_text("\n\n".join([_HEAD, *bodies]) + "\n")


_HEAD = """\
# A thousand functions, measured

What `outlive storm` ([how to run and read it](storm.md)) shows on databases with the limits that everybody meets. Each
remedy gets the same arrivals. Functions, proxies and database share this machine's cores, so the latencies are to be
compared and not believed; what is refused, what dangles and how many connections there are depends little on them. The
proxies run as they come but for their budget: PgBouncer's `idle_transaction_timeout`, off by default, would give back
what functions that died inside a transaction hold; Outlive's is on. A PNG of each figure, the report as HTML and all
figures as JSON are beside this file."""


def _section(configuration: Configuration, storm: Storm) -> str:
    name = configuration.name
    made = (
        f"Made by `python -m bench storm {name}` on {datetime.datetime.now(datetime.UTC).date()}: {report.machine()}."
    )
    skipped = "".join(f"\n- `{each.name}`: skipped, as {each.skipped}." for each in words.skipped(storm))
    lines = "\n".join(f"- {line}" for line in words.sentences(storm))
    return (
        f"{made} {words.under_title(storm)}.\n\n![{words.sentences(storm)[0]}](storm-{name}.svg)\n\n{table(storm)}\n\n"
        f"{lines}{skipped}"
    )


def _sections(text: str) -> dict[str, str]:
    found = {}
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        found[title] = body.strip()
    return found
