"""Why a dial failed."""

from __future__ import annotations


class Failure:
    """Why a dial or a change of user failed. `refusal`: the server will not have this user (its own error)."""

    __slots__ = ("kind", "refusal", "server_full", "text")

    def __init__(self, kind: str, text: str, *, refusal: object = None, server_full: bool = False) -> None:
        self.kind = kind
        self.text = text
        self.refusal = refusal
        self.server_full = server_full
