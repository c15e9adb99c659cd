"""The one database that a command asks, from its URL or OUTLIVE_URL."""

from __future__ import annotations

import os
from typing import Final

from outlive.census.errors import CensusError
from outlive.cli.output import FAILED, report, say, warn
from outlive.config.errors import ConfigError, Problem
from outlive.config.load import load
from outlive.config.model import Database
from outlive.config.origin import Origin
from outlive.config.url import parse_url

_NO_PROTOCOL: Final = Problem(
    "Of a tcp:// server Outlive knows no protocol to ask it in.",
    "Name a postgresql://, mysql:// or redis:// URL; `outlive serve` takes tcp:// too, and its /metrics tell of it.",
    "",
    "URL",
)


def database_of(url: str | None) -> Database:
    """Raises ConfigError, also where the URL names several hosts, no user, or a protocol that nobody can ask in."""
    text = url or os.environ.get("OUTLIVE_URL", "")
    if len(text.split()) != 1:
        raise ConfigError(
            [Problem("One database is asked at a time.", "Name its URL, or set OUTLIVE_URL to it.", "", "URL")]
        )
    if text.lower().startswith("tcp:"):
        raise ConfigError([_NO_PROTOCOL])  # before its options are judged, of which a user would be one too many
    (database,) = load(Origin(urls=(text,)), {}).databases.values()
    if database.sentinel_master:
        said = "The URL is of Sentinels, and those behind it are several."
        raise ConfigError([Problem(said, "Name one database itself.", "", "URL")])
    if len(database.hosts) != 1 or database.replicas:
        raise ConfigError(
            [Problem("The URL names several servers.", "Each has connections of its own: name one.", "hosts", "URL")]
        )
    if not database.user:
        raise ConfigError([Problem("The URL names no user.", f"Write {database.scheme}://user@host/.", "user", "URL")])
    if url and parse_url(url).shows_password:
        warn("A password in an argument shows in the process list. Use ?password_env=NAME or OUTLIVE_URL instead.")
    return database


def failed(error: Exception, *, json: bool) -> int:
    """The exit status of a command that could not ask, after it was said why."""
    if json and isinstance(error, CensusError):
        report({"error": error.sentence, "remedy": error.remedy, "full": error.full})
    elif json:
        report({"error": str(error), "remedy": "", "full": False})
    say(str(error))
    return FAILED
