"""The description of the native API, OpenAPI 3.1: the requests' schemas come from the types that read them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from outlive.gateway.requests import Batch, Begin, InTransaction, Query
from outlive.locks import openapi as locks

_REQUESTS: Final[dict[str, tuple[Any, str, str]]] = {
    "/v1/query": (Query, "Result", "Runs one statement."),
    "/v1/batch": (Batch, "Results", "Runs several statements, or one with several sets of parameters, all or nothing."),
    "/v1/transactions": (
        Begin,
        "Transaction",
        "Begins a transaction, which is rolled back when its caller stays away.",
    ),
    "/v1/transactions/{id}/query": (InTransaction, "Result", "Runs one statement in a transaction."),
    "/v1/transactions/{id}/commit": (None, "Ended", "Commits a transaction."),
    "/v1/transactions/{id}/rollback": (None, "Ended", "Rolls a transaction back."),
}
_EXAMPLES: Final[dict[str, Any]] = {
    "/v1/query": {"database": "shop", "sql": "SELECT 1 AS one"},
    "/v1/batch": {"database": "shop", "statements": [{"sql": "SELECT 1 AS one"}, {"sql": "SELECT 2 AS two"}]},
    "/v1/transactions": {"database": "shop"},
    "/v1/transactions/{id}/query": {"sql": "SELECT :n + 1 AS sum", "parameters": {"n": {"type": "int", "value": 1}}},
}
_ERRORS: Final = {
    "400": "The request is wrong, the database refused the statement, or its `outcome` is unknown.",
    "401": "No valid API key.",
    "403": "The principal may not use this database or lock, or its rules refuse the statement (`rule`).",
    "404": "No such database or transaction, or SQL over HTTP or the locks are off.",
    "409": "The transaction is busy, or over; the grant is over, or the lock is of the other mode.",
    "405": "The path takes another method.",
    "408": "The request did not come in time.",
    "413": "The request is too large.",
    "422": "The Idempotency-Key came with another request before.",
    "429": "The principal has as much under way as it may, or sent more than its rate; nothing has run.",
    "431": "The request's head is too large.",
    "503": "No server connection was to be had in time; nothing has run.",
}
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_ANSWERS: Final[dict[str, Any]] = {
    "Result": _object(
        ["columns", "rows", "row_count", "rows_affected"],
        columns={"type": ["array", "null"], "items": _object(["name", "type"], name=_TEXT, type=_TEXT)},
        rows={"type": "array", "items": {"type": ["object", "array"]}},
        row_count=_COUNT,
        rows_affected={"type": ["integer", "null"]},
        command={**_TEXT, "description": "PostgreSQL's command tag, without its counts."},
        last_insert_id={**_COUNT, "description": "MySQL's, where the statement made one."},
        further_results={**_COUNT, "description": "Result sets of a CALL behind the first, which are not given."},
    ),
    "Results": _object(["results"], results={"type": "array", "items": {"$ref": "#/components/schemas/Result"}}),
    "Transaction": _object(
        ["transaction", "idle_timeout_s", "timeout_s"],
        transaction=_TEXT,
        idle_timeout_s={"type": "number"},
        timeout_s={"type": "number"},
    ),
    "Ended": _object(["transaction"], transaction={"enum": ["committed", "rolled back"]}),
    "Error": _object(
        ["error"],
        error=_object(
            ["code", "message", "outcome"],
            code=_TEXT,
            message=_TEXT,
            outcome={"enum": ["not_run", "failed", "done", "unknown"]},
            sqlstate=_TEXT,
            errno={"type": "integer"},
            statement={**_COUNT, "description": "Which statement of a batch."},
        ),
    ),
}


def openapi(version: str) -> dict[str, Any]:
    """The whole document."""
    types = [*(type for type, _, _ in _REQUESTS.values() if type is not None), *locks.TYPES]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Outlive", "version": version, "description": "SQL over HTTP, and locks."},
        "security": [{"api_key": []}],
        "paths": {
            **{path: {"post": _operation(path, *what)} for path, what in _REQUESTS.items()},
            **locks.paths(_errors()),
        },
        "components": {
            "securitySchemes": {"api_key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas, **_ANSWERS, **locks.ANSWERS},
        },
    }


def _operation(path: str, type: Any, answer: str, summary: str) -> dict[str, Any]:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "A request sent again with the same key gets the first one's answer, and runs no second time.",
    }
    found: dict[str, Any] = {"summary": summary, "parameters": [key], "responses": _responses(path, answer)}
    if "{id}" in path:
        found["parameters"].append({"name": "id", "in": "path", "required": True, "schema": _TEXT})
    if type is not None:
        schema = {"$ref": f"#/components/schemas/{type.__name__}"}
        content = {"schema": schema, "example": _EXAMPLES[path]}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _responses(path: str, answer: str) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    if path.endswith("/query"):
        content["application/x-ndjson"] = {"schema": _TEXT}
    return {"200": {"description": "It ran.", "content": content}, **_errors()}


def _errors() -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": words, "content": error} for status, words in _ERRORS.items()}
