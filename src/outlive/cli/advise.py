"""`outlive advise`: which remedy fits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from outlive.cli.durations import duration
from outlive.cli.output import FAILED, OK, USAGE, report, say

if TYPE_CHECKING:
    from outlive.advisor.answer import Answer
    from outlive.advisor.calibration import Calibration
    from outlive.advisor.question import Question
    from outlive.advisor.scale import Simulated

_DURATION: Final = "DURATION"


def advise(
    *,
    requests_per_s: Annotated[float | None, typer.Option(help="In the busiest minute.")] = None,
    function_time: Annotated[
        float | None, typer.Option(parser=duration, metavar=_DURATION, help="Of one request, all in all [100ms].")
    ] = None,
    database_share: Annotated[
        float | None, typer.Option(help="Of that time, in the database, round trips included [0.3].")
    ] = None,
    statements: Annotated[int | None, typer.Option(help="Of one transaction, BEGIN and COMMIT included [4].")] = None,
    lifetime: Annotated[
        float | None, typer.Option(parser=duration, metavar=_DURATION, help="Of an instance [10m].")
    ] = None,
    instances: Annotated[int | None, typer.Option(help="At once, where it is known [by Little's law].")] = None,
    deployments_per_day: Annotated[float | None, typer.Option(help="Each ends all instances at once [1].")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql, mysql, mariadb, redis or sqlserver [postgresql].")
    ] = None,
    max_connections: Annotated[int | None, typer.Option(help="Of the database [its default].")] = None,
    others: Annotated[int | None, typer.Option(help="Connections that others than the functions take [5].")] = None,
    dangling_timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar=_DURATION,
            help="After which the database ends a connection of the dead [its default].",
        ),
    ] = None,
    logins_per_s: Annotated[
        float | None, typer.Option(help="New connections a second that the database bears [an assumption].")
    ] = None,
    rtt: Annotated[
        float | None,
        typer.Option(parser=duration, metavar=_DURATION, help="Round trip, functions to database [1ms]."),
    ] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Between them [--tls].")] = None,
    added_latency: Annotated[
        float | None,
        typer.Option(parser=duration, metavar=_DURATION, help="That a request may take longer, at p99 [25ms]."),
    ] = None,
    client_change: Annotated[
        str | None, typer.Option(help="What may change of the functions: nothing, address, code [code].")
    ] = None,
    http_interface: Annotated[
        bool | None, typer.Option("--http-interface/--no-http-interface", help="The database answers HTTP [no].")
    ] = None,
    containers: Annotated[
        bool | None, typer.Option("--containers/--no-containers", help="The code can run in containers [no].")
    ] = None,
    migration: Annotated[
        bool | None, typer.Option("--migration/--no-migration", help="The data can move or be divided [no].")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="The same as JSON (- for standard input).")
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Output of outlive storm --json: predicted beside measured, and its times."),
    ] = None,
    functions: Annotated[
        int | None, typer.Option(min=3, max=10_000_000, help="Instances to simulate, over all generations.")
    ] = None,
    simulation: Annotated[bool, typer.Option("--simulation/--no-simulation", help="Confirm by a simulation.")] = True,
    seed: Annotated[int, typer.Option(help="The same seed, the same simulation.")] = 1,
    brief: Annotated[bool, typer.Option("--brief", help="The ranking without each remedy's arithmetic.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Which remedy fits your load, with the arithmetic, and a simulation that confirms it.

    Without options, on a terminal, it asks. Exit status: 0 it answered, 1 a file could not be read, 2 wrong arguments.
    """
    from outlive.advisor.answer import answer
    from outlive.advisor.question import Question, QuestionError

    given = {
        "requests_per_s": requests_per_s,
        "function_ms": _ms(function_time),
        "database_share": database_share,
        "statements": statements,
        "lifetime_s": lifetime,
        "instances": instances,
        "deployments_per_day": deployments_per_day,
        "database": database,
        "max_connections": max_connections,
        "others": others,
        "dangling_timeout_s": dangling_timeout,
        "logins_per_s": logins_per_s,
        "rtt_ms": _ms(rtt),
        "tls": tls,
        "added_latency_ms": _ms(added_latency),
        "client_change": client_change,
        "http_interface": http_interface,
        "containers": containers,
        "migration": migration,
    }
    options = {name: value for name, value in given.items() if value is not None}
    try:
        calibration = None if calibrate is None else _calibration(_object(calibrate))
        if file is not None:
            options = {**_object(file), **options}
        question: Question | None = None
        if options and calibration is not None and calibration.timing.login_s > 0:
            # Measured, where nobody says otherwise.
            options = {"logins_per_s": 1 / calibration.timing.login_s, **options}
        if options:
            question = Question.of(options)
        elif calibration is None:
            if not sys.stdin.isatty() or json:
                say("--requests-per-s is missing, and nothing can be said without it. On a terminal, it is asked for.")
                return USAGE
            question = _asked()
    except QuestionError as error:
        say(str(error))
        return USAGE
    except _FileError as error:
        say(str(error))
        return FAILED
    said = None if question is None else answer(question)
    simulated: Mapping[str, Simulated] = {}
    notes: tuple[str, ...] = ()
    if said is not None and simulation:
        simulated, notes = _simulate(said, functions, seed, calibration)
    if json:
        report(_as_json(said, simulated, notes, calibration))
    else:
        _show(said, simulated, notes, calibration, brief=brief)
    return OK


class _FileError(Exception):
    """A file that cannot be used, as a sentence."""


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _object(file: str) -> dict[str, Any]:
    from json import loads

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = loads(text, parse_constant=_no_number)
    except OSError as error:
        raise _FileError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):  # JSON's, and that of text that is not UTF-8, are ValueErrors
        raise _FileError(f"{file} is not JSON.") from None
    if not isinstance(found, dict):
        raise _FileError(f"{file} is not one JSON object.")
    return found


def _no_number(name: str) -> None:
    """Python reads NaN and Infinity, which JSON has not. Raises ValueError."""
    raise ValueError(name)


def _calibration(storm: Mapping[str, Any]) -> Calibration:
    from outlive.advisor.calibration import CalibrationError, Measured
    from outlive.advisor.calibration import calibrate as calibrated

    try:
        return calibrated(Measured.of(storm))
    except CalibrationError as error:
        raise _FileError(f"{error} Give --calibrate the output of outlive storm --json.") from None


def _asked() -> Question:
    """Every field in turn; an empty line takes the default."""
    from dataclasses import MISSING

    from outlive.advisor.question import Question, QuestionError, prompts, typed

    values: dict[str, object] = {}
    for name, _, prompt, default in prompts():
        shown = "" if default is MISSING else f" [{_word(default)}]"
        while name not in values:
            text = str(typer.prompt(f"{prompt}{shown}", default="", show_default=False, err=True)).strip()
            try:
                if text:
                    # Each alone, so that a mistake is told at once and not at the end.
                    value = typed(name, text)
                    Question.of({"requests_per_s": 1, **values, name: value})
                    values[name] = value
                elif default is not MISSING:
                    values[name] = default
            except QuestionError as error:
                say(str(error))
    return Question.of(values)


def _word(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "-" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def _simulate(
    said: Answer, functions: int | None, seed: int, calibration: Calibration | None
) -> tuple[Mapping[str, Simulated], tuple[str, ...]]:
    from outlive.advisor.arithmetic import Arithmetic
    from outlive.advisor.scale import LARGEST, confirm, counted, left_out, world_of

    world = world_of(Arithmetic(said.question), functions, seed)
    timing = counted(said, world)
    timing = timing if calibration is None else calibration.applied(timing)
    # Who names a number of instances is ready to wait for it.
    found = confirm(said, world, timing, largest=LARGEST if functions is None else inf)
    return found, (*world.notes, *left_out(said, found))


def _as_json(
    said: Answer | None,
    simulated: Mapping[str, Simulated],
    notes: tuple[str, ...],
    calibration: Calibration | None,
) -> dict[str, object]:
    found: dict[str, Any] = {} if said is None else said.as_json()
    for name, each in simulated.items():
        found["remedies"][name]["simulated"] = each.as_json()
    if notes:
        found["simulation"] = list(notes)
    if calibration is not None:
        found["calibration"] = calibration.as_json()
    return found


def _show(
    said: Answer | None,
    simulated: Mapping[str, Simulated],
    notes: tuple[str, ...],
    calibration: Calibration | None,
    *,
    brief: bool,
) -> None:
    from rich.console import Console

    # What is not a terminal has no width: wide enough for the tables.
    console = Console(width=None if sys.stdout.isatty() else 120)
    if calibration is not None:
        _show_calibration(console, calibration)
    if said is not None:
        _show_answer(console, said, simulated, notes, brief=brief)


def _show_answer(
    console: Any, said: Answer, simulated: Mapping[str, Simulated], notes: tuple[str, ...], *, brief: bool
) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from outlive.advisor.text import COLUMNS, details, headline, rows

    _lines(console, [*headline(said), ""])
    table = Table(
        box=SIMPLE,
        title=f"Remedies by rank; {said.question.places} connections are left for functions",
        title_justify="left",
    )
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number in (1, 2) else "right", no_wrap=number in (1, 2))
    for row in rows(said, simulated):
        table.add_row(*row)
    console.print(table)
    if notes:
        _lines(console, ["Simulated:", *(f"  {note}" for note in notes)])
    if brief:
        return
    _lines(console, ["", "The load", *(f"  {line.what}: {line.how} = {line.result}" for line in said.lines)])
    for rank, judgement in enumerate(said.ranked, 1):
        _lines(console, ["", f"{rank}. {judgement.title}"])
        _lines(console, [f"  {f'{head}: ' if head else ''}{text}" for head, text in details(judgement)])
    _lines(console, ["", "Sources: " + "; ".join(said.question.server.sources) + "."])


def _show_calibration(console: Any, calibration: Calibration) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from outlive.advisor.text import COMPARED_COLUMNS, calibrated, comparison

    table = Table(title="Predicted, and measured", title_justify="left", box=SIMPLE)
    for number, name in enumerate(COMPARED_COLUMNS):
        table.add_column(name, justify="left" if number < 2 else "right", no_wrap=number < 2)
    for row in comparison(calibration):
        table.add_row(*row, end_section=not row[0])
    console.print(table)
    _lines(console, [*calibrated(calibration), ""])


def _lines(console: Any, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)
