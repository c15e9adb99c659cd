"""What people and scripts are told: sentences on standard error, reports on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final

from outlive.config.errors import ConfigError, Problem

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


def say(text: str) -> None:
    """One line on standard error. What a terminal would act on is escaped: texts may come from a server."""
    sys.stderr.write(f"outlive: {printable(text)}\n")


def warn(text: str) -> None:
    """A warning on standard error."""
    say(f"warning: {text}")


def say_problems(error: ConfigError) -> None:
    """Each problem on its own line."""
    for problem in error.problems:
        say(str(problem))


def report(result: Mapping[str, object]) -> None:
    """The one JSON object of `--json`."""
    sys.stdout.write(json.dumps(result) + "\n")


def problem_as_json(problem: Problem) -> dict[str, object]:
    """A problem as `--json` shows it."""
    return {
        "path": problem.path or None,
        "source": problem.source or None,
        "line": problem.line,
        "sentence": problem.sentence,
        "remedy": problem.remedy,
    }


def printable(text: str) -> str:
    """What a terminal would act on is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
