"""PlanetScale's form of an error: `DatabaseError` of the client has its code and message."""

from __future__ import annotations

from typing import Final

from outlive.gateway.failure import Failure
from outlive.wire.mysql.ok import ERR

_CODES: Final = {
    "unauthorized": "UNAUTHENTICATED",
    "too_many_logins": "RESOURCE_EXHAUSTED",
    "forbidden": "PERMISSION_DENIED",
    "sql_off": "NOT_FOUND",
    "no_such_database": "NOT_FOUND",
    "no_such_transaction": "ABORTED",
    "transaction_over": "ABORTED",
    "transaction_busy": "ABORTED",
    "statement_timeout": "DEADLINE_EXCEEDED",
    "result_too_large": "RESOURCE_EXHAUSTED",
    "request_too_large": "RESOURCE_EXHAUSTED",
    "too_many_requests": "RESOURCE_EXHAUSTED",
    "bad_request": "INVALID_ARGUMENT",
    "not_supported": "UNIMPLEMENTED",
    "connection_lost": "UNAVAILABLE",
    "pool_full": "UNAVAILABLE",
    "database_unavailable": "UNAVAILABLE",
    "draining": "UNAVAILABLE",
}
_KEPT_STATUSES: Final = frozenset((401, 403, 413, 429, 503))


def status_of(failure: Failure) -> int:
    """200 for what a statement came to, for which the client reads `error`; else HTTP's own, where nothing has run."""
    kept = failure.outcome == "not_run" and (failure.status in _KEPT_STATUSES or failure.code == "sql_off")
    return failure.status if kept else 200


def error_of(failure: Failure) -> dict[str, str]:
    """`error` of a response; of the database in the words of Vitess, in which clients look for the number."""
    if isinstance(failure.said, ERR):
        state = failure.said.sqlstate.decode("ascii", "replace")
        text = f"{failure.message} (errno {failure.said.code}) (sqlstate {state})"
        return {"code": "UNKNOWN", "message": text}
    message = failure.message
    if failure.outcome == "unknown":
        message += " The statement may or may not have taken effect."
    return {"code": _CODES.get(failure.code, "UNKNOWN"), "message": message}
