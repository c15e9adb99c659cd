"""What a request over HTTP is told when it fails, and what became of its statement: nothing is left to be guessed."""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["not_run", "failed", "done", "unknown"]
"""not_run: nothing reached the database, the request can be sent again. failed: the database refused it, nothing of it
stays. done: it took effect, only its result cannot be given. unknown: it may or may not have taken effect."""

RETRY_AFTER_S: Final = 1
_SERVER_ERRORS: Final = 500


class Failure(Exception):
    """One answer that is no success. `code` is for programs, `message` for people.

    `details` are further members of the error object. 503 and 429 bear a Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        outcome: Outcome = "not_run",
        details: dict[str, object] | None = None,
        said: object = None,
    ) -> None:
        Exception.__init__(self, code)  # never the message: it may quote a value of the statement, and this is logged
        self._status = status
        self.code = code
        self.message = message
        self.outcome: Outcome = outcome
        self.details = details or {}
        self.wait_s = RETRY_AFTER_S
        self.said = said
        """The database's own error, as its protocol has it; for dialects that tell all of it."""

    @property
    def status(self) -> int:
        """HTTP's. None of 5xx after something may have run: clients and what is between send the request again."""
        return 400 if self._status >= _SERVER_ERRORS and self.outcome != "not_run" else self._status

    @property
    def retry_after_s(self) -> int | None:
        """What Retry-After says."""
        return self.wait_s if self.status in (429, 503) else None

    def body(self) -> dict[str, object]:
        """As JSON has it."""
        return {"error": {"code": self.code, "message": self.message, "outcome": self.outcome, **self.details}}


def bad_request(message: str) -> Failure:
    """The request itself is wrong."""
    return Failure(400, "bad_request", message)


def draining() -> Failure:
    """The node is stopping."""
    return Failure(503, "draining", "Outlive is stopping on this node: send the request again.")


def lost() -> Failure:
    """The server connection ended while the statement was under way."""
    return Failure(
        400,
        "connection_lost",
        "The connection to the database was lost. What was under way may or may not have taken effect.",
        outcome="unknown",
    )
