"""How much one client's session may keep in Outlive."""

from __future__ import annotations

from typing import Final, NamedTuple


class SessionLimits(NamedTuple):
    """`statements` and `statements_bytes`: prepared statements and their texts; more are refused.

    `variables_bytes`: names and values of variables and settings that are replayed; with more the server connection
    keeps them, so the client keeps the server connection.
    """

    statements: int = 16_382
    statements_bytes: int = 4 * 1024 * 1024
    variables_bytes: int = 64 * 1024


DEFAULT_LIMITS: Final = SessionLimits()
