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

_SORTS: Final = {"tcp": "an unknown protocol", "redis": "Sentinels"}


def database_of(url: str | None) -> Database:
    """Raises ConfigError, also where the URL names several hosts or no user."""
    text = url or os.environ.get("OUTLIVE_URL", "")
    if len(text.split()) != 1:
        raise ConfigError(
            [Problem("One database is asked at a time.", "Name its URL, or set OUTLIVE_URL to it.", "", "URL")]
        )
    (database,) = load(Origin(urls=(text,)), {}).databases.values()
    if database.scheme == "tcp" or database.sentinel_master:
        what = "of which nothing can be asked" if database.scheme == "tcp" else "and those behind it are several"
        raise ConfigError(
            [Problem(f"The URL is of {_SORTS[database.scheme]}, {what}.", "Name one database itself.", "", "URL")]
        )
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
