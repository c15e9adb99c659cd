"""Quantities as people read them."""

from __future__ import annotations

from collections.abc import Mapping


def span(seconds: float) -> str:
    """A duration: 45 s, 10 min, 2 h, 8 h, 3 d."""
    if seconds < 120:
        return f"{seconds:g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    if seconds < 172800:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 86400:.3g} d"


def size(count: float) -> str:
    """Bytes: 16 KiB, 1.2 GiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def share(part: float, whole: float) -> str:
    """A percentage."""
    return f"{100 * part / whole:.0f} %" if whole > 0 else "none"


def most_held(by_user: Mapping[str, int]) -> str:
    """Who holds most connections."""
    if not by_user:
        return "nobody holds a connection"
    user, count = max(by_user.items(), key=lambda item: item[1])
    return f"most are held by {user} ({count})"
