"""Neon's form of an error: HTTP 400 with all that the server said, for `NeonDbError`."""

from __future__ import annotations

from typing import Final

import msgspec

from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.wire.postgres.errors import ErrorFields

_NAMES: Final = {
    b"M": "message",
    b"C": "code",
    b"D": "detail",
    b"H": "hint",
    b"P": "position",
    b"p": "internalPosition",
    b"q": "internalQuery",
    b"V": "severity",
    b"W": "where",
    b"t": "table",
    b"c": "column",
    b"s": "schema",
    b"d": "dataType",
    b"n": "constraint",
    b"F": "file",
    b"L": "line",
    b"R": "routine",
}
_CODES: Final = {
    "unauthorized": "28P01",
    "too_many_logins": "28P01",
    "forbidden": "42501",
    "no_such_database": "3D000",
    "connection_lost": "08006",
    "statement_timeout": "57014",
    "transaction_left_open": "0A000",
    "transaction_over": "25000",
    "rolled_back": "25P02",
    "not_supported": "0A000",
    "bad_request": "08P01",
    "pool_full": "53300",
    "too_many_requests": "53300",
    "database_unavailable": "57P03",
    "draining": "57P01",
    "result_too_large": "54000",
    "request_too_large": "54000",
}
"""SQLSTATEs of what Outlive says itself."""
_KEPT_STATUSES: Final = frozenset((404, 413, 429, 503))
TOO_LARGE: Final = 507
_ANY_ORIGIN: Final = ("Access-Control-Allow-Origin", "*")


def told(failure: Failure) -> Answer:
    """A failure as Neon tells it; 503 and 429 stay, where nothing has run and another attempt may succeed."""
    if isinstance(failure.said, ErrorFields):
        fields = _fields(failure.said)
    else:
        fields = {"message": failure.message, "code": _CODES.get(failure.code, "XX000"), "severity": "ERROR"}
        if failure.outcome == "unknown":
            fields["detail"] = "The statement may or may not have taken effect."
    status = failure.status if failure.status in _KEPT_STATUSES and failure.outcome == "not_run" else 400
    if failure.code == "result_too_large":
        status = TOO_LARGE
    headers = [_ANY_ORIGIN]
    if status in (429, 503):
        headers.append(("Retry-After", str(failure.retry_after_s)))
    return Answer(status, msgspec.json.encode(fields), failure.outcome != "not_run", tuple(headers))


def _fields(error: ErrorFields) -> dict[str, str]:
    found = {}
    for field in error.payload().split(b"\0"):
        name = _NAMES.get(field[:1])
        if name is not None:
            found[name] = field[1:].decode("utf-8", "replace")
    found.setdefault("severity", error.severity.decode("ascii", "replace"))
    return found
