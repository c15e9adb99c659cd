"""`outlive check CONFIG`: is this configuration right."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from outlive.cli.output import FAILED, OK, USAGE, problem_as_json, report, say_problems, warn
from outlive.config.errors import ConfigError
from outlive.config.load import load
from outlive.config.model import Config
from outlive.config.origin import Origin
from outlive.config.rules import advice


def check(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration, a TOML file.")],
    live: Annotated[
        bool, typer.Option("--live", help="Also ask each declared operation's database about it; nothing of it runs.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Is this configuration right? Nothing is dialled without --live; secrets must be there.

    Exit status: 0 it is, 1 a database could not be asked, 2 it is not.
    """
    try:
        # The file alone: what OUTLIVE_URL or OUTLIVE_MYSQL happen to be in this shell is not its business.
        model = load(Origin(path=config), {})
    except ConfigError as error:
        if json:
            report({"ok": False, "problems": [problem_as_json(problem) for problem in error.problems]})
        else:
            say_problems(error)
        return USAGE
    hints = advice(model)
    if live:
        from outlive.cli.live import ask

        found = ask(config, model)
        problems = (*found.wrong, *found.away)
        if problems:
            if json:
                report({"ok": False, "problems": [problem_as_json(problem) for problem in problems]})
            else:
                say_problems(ConfigError(problems))
            return USAGE if found.wrong else FAILED
    if json:
        servers = {str(address): database.max_connections for address, database in model.servers().items()}
        report({"ok": True, "problems": [], "advice": [problem_as_json(hint) for hint in hints], "servers": servers})
        return OK
    for hint in hints:
        warn(str(hint))
    sys.stdout.write(_summary(config, model, live))
    return OK


def _summary(path: str, model: Config, live: bool) -> str:
    lines = [f"{path}: right."]
    for address, database in model.servers().items():
        names = [name for name, other in model.databases.items() if address in (*other.hosts, *other.replicas)]
        lines.append(f"  server {address}: at most {database.max_connections} connections for {', '.join(names)}")
    if model.operations:
        how = "they fit their databases" if live else "--live asks their databases"
        lines.append(f"  {len(model.operations)} operations: {how}")
    return "\n".join(lines) + "\n"
