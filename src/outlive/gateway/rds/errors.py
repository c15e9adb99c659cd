"""Failures as the RDS Data API tells them. Clients parse the texts.

Nothing is 5xx after a statement may have run, and an error of the statement is never a BadRequestException: clients
retry those.
"""

from __future__ import annotations

from typing import Final

import msgspec

from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer

_KINDS: Final = {
    "bad_request": (400, "BadRequestException"),
    "request_too_large": (413, "BadRequestException"),
    "idempotency_key_reused": (422, "BadRequestException"),
    "transaction_busy": (400, "BadRequestException"),
    "invalid_signature": (403, "InvalidSignatureException"),
    "unauthorized": (403, "AccessDeniedException"),
    "sql_off": (404, "NotFoundException"),
    "no_such_database": (404, "DatabaseNotFoundException"),
    "no_such_transaction": (404, "TransactionNotFoundException"),
    "statement_timeout": (400, "StatementTimeoutException"),
    "not_supported": (400, "UnsupportedResultException"),
    "database_unavailable": (504, "DatabaseUnavailableException"),
}
_BY_STATUS: Final = {
    400: (400, "BadRequestException"),
    401: (403, "AccessDeniedException"),
    403: (403, "AccessDeniedException"),
    404: (404, "NotFoundException"),
    408: (408, "BadRequestException"),
    409: (400, "BadRequestException"),
    429: (429, "ThrottlingException"),
    503: (503, "ServiceUnavailableError"),
}


def told(failure: Failure) -> Answer:
    """For the caller."""
    status, kind = _kind(failure)
    headers = [("x-amzn-ErrorType", kind)]
    if failure.retry_after_s is not None:
        headers.append(("Retry-After", str(failure.retry_after_s)))
    body = msgspec.json.encode({"message": _message(failure)})
    return Answer(status, body, failure.outcome != "not_run", tuple(headers), "application/x-amz-json-1.1")


def _kind(failure: Failure) -> tuple[int, str]:
    if failure.code == "result_too_large" and failure.details.get("transaction") == "open":
        return 400, "BadRequestException"  # the client that pages by itself, inside its transaction, waits for this one
    if failure.outcome != "not_run" and failure.code not in ("statement_timeout", "not_supported"):
        # Also what is 5xx elsewhere: the clients would send it again, and it may have taken effect.
        return (403, "AccessDeniedException") if failure.status == 403 else (400, "DatabaseErrorException")
    return _KINDS.get(failure.code) or _BY_STATUS.get(failure.status, (500, "InternalServerErrorException"))


def _message(failure: Failure) -> str:
    if failure.code == "result_too_large":
        return f"Database returned more than the allowed response size limit: {failure.message}"
    if failure.code != "database_error":
        return failure.message
    details, message = failure.details, failure.message.replace("\n", " ")
    sqlstate = details.get("sqlstate")
    if "errno" in details:
        number = details["errno"]
        return f"Database error code: {number}. Message: {message}; Error code: {number}; SQLState: {sqlstate}"
    pieces = [f"ERROR: {message}"]
    pieces += [f"{name.title()}: {details[name]}" for name in ("detail", "hint") if name in details]
    # One client knows the error by its SQLSTATE only where there is a position too.
    return "; ".join([*pieces, f"Position: {details.get('position', 0)}", f"SQLState: {sqlstate}"])
