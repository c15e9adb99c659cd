"""Durations as people write them: 10s, 5m, 1.5s, 200ms, 2h, 1d; a bare number is seconds."""

from __future__ import annotations

import re
from typing import Final

import typer

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|min|h|d|)\Z")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds; for an option's `parser=`. Raises typer.BadParameter."""
    found = _DURATION.match(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration: write 10s, 5m or 1.5s.")
    return float(found[1]) * _UNITS[found[2]]
