"""The service's part of the description of the native API; the requests' schemas come from the types that read them."""

from __future__ import annotations

from typing import Any, Final

from outlive.locks.requests import AckRequest, ReleaseRequest, RenewRequest, WaitRequest

TYPES: Final = (WaitRequest, ReleaseRequest, AckRequest, RenewRequest)
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_STATUSES: Final = ("400", "401", "403", "404", "405", "408", "409", "413", "429", "431", "503")
_KEY: Final = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The lock, of the callers' own naming.",
}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


ANSWERS: Final[dict[str, Any]] = {
    "Granted": _object(
        ["status", "grant_id", "fence", "payload", "lease_expires_in_ms"],
        status={"const": "granted"},
        grant_id=_TEXT,
        fence={**_COUNT, "description": "Rises with each grant of the lock; a store refuses what comes with an older."},
        payload={"description": "Of the release; null for a mutex."},
        lease_expires_in_ms={**_COUNT, "description": "Until it goes to the next without ack, release or renew."},
        delivery={"enum": ["at_least_once", "at_most_once"], "description": "Of a signal."},
    ),
    "Pending": _object(
        ["status", "position"],
        status={"const": "pending"},
        position={"type": ["integer", "null"], "description": "1 is next; null where the place was given up."},
    ),
    "LockStep": _object(["status"], status={"enum": ["released", "duplicate", "acked", "left", "absent"]}),
    "Renewed": _object(
        ["status", "fence", "lease_expires_in_ms"],
        status={"const": "renewed"},
        fence=_COUNT,
        lease_expires_in_ms=_COUNT,
    ),
    "Standing": _object(
        ["mode", "holder", "fence", "depth", "pending", "granted"],
        mode={"enum": ["signal", "mutex", None]},
        holder={"anyOf": [_object(["waiter_id", "fence"], waiter_id=_TEXT, fence=_COUNT), {"type": "null"}]},
        fence={**_COUNT, "description": "The last that was given."},
        depth={**_COUNT, "description": "Waiters in the queue."},
        pending={**_COUNT, "description": "Signals that wait for a waiter."},
        granted={**_COUNT, "description": "Signals that wait for their ack, or the holder of the mutex."},
    ),
}


def paths(errors: dict[str, Any]) -> dict[str, Any]:
    """The service's paths; `errors` are the responses of the native API by status."""
    pending = _json("Its time is up: ask again with the same waiter_id.", "Pending")
    wait = _operation(errors, "Waits for a signal, or for a mutex.", "Granted", WaitRequest, more={"202": pending})
    wait["responses"]["200"]["content"]["text/event-stream"] = {"schema": _TEXT}
    one = {"name": "id", "in": "path", "required": True, "schema": {**_TEXT, "maxLength": 200}}
    return {
        "/v1/locks/{key}/wait": {"post": wait},
        "/v1/locks/{key}/release": {
            "post": _operation(errors, "Sends a signal, or ends a mutex.", "LockStep", ReleaseRequest)
        },
        "/v1/locks/{key}/ack": {"post": _operation(errors, "The signal was consumed.", "LockStep", AckRequest)},
        "/v1/locks/{key}/renew": {"post": _operation(errors, "More time for a grant.", "Renewed", RenewRequest)},
        "/v1/locks/{key}": {"get": _operation(errors, "How the lock stands.", "Standing")},
        "/v1/locks/{key}/waiters/{id}": {
            "delete": _operation(errors, "Gives up a place and what it was granted.", "LockStep", parameters=[one])
        },
    }


def _json(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _operation(
    errors: dict[str, Any],
    summary: str,
    answer: str,
    type: Any = None,
    *,
    more: dict[str, Any] | None = None,
    parameters: list[Any] | None = None,
) -> dict[str, Any]:
    refused = {status: errors[status] for status in _STATUSES}
    found: dict[str, Any] = {
        "summary": summary,
        "parameters": [_KEY, *(parameters or ())],
        "responses": {"200": _json("It was done.", answer), **(more or {}), **refused},
    }
    if type is not None:
        schema = {"$ref": f"#/components/schemas/{type.__name__}"}
        required = type in (AckRequest, RenewRequest)
        found["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return found
