"""The description of the operations that a principal may call, OpenAPI 3.1, with the types that the databases say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from outlive.config.inputs import Input, is_required
from outlive.config.values import schema_of as schema_of_parameter
from outlive.gateway.declared.table import Declaration
from outlive.gateway.declared.work import Said

_TYPED: Final = re.compile(r"\{(\w+):\w+\}")
_ERRORS: Final = {
    "400": "The request is wrong, the database refused the statement, or what became of it is unknown (`outcome`).",
    "401": "No valid credentials.",
    "403": "The principal may not call it.",
    "404": "No such row (`not_found`), or no such operation.",
    "405": "The path takes other methods.",
    "408": "The request did not come in time.",
    "409": "It does not fit what is in the database.",
    "422": "A parameter is not as it must be (`parameter`), or the Idempotency-Key came with another request before.",
    "413": "The request is too large.",
    "429": "The principal has as much under way as it may, or sent more than its rate; nothing has run.",
    "431": "The request's head is too large.",
    "503": "No server connection was to be had in time; nothing has run.",
}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "outcome"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "outcome": {"enum": ["not_run", "failed", "done", "unknown"]},
                "parameter": {"type": "string"},
            },
        }
    },
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A request sent again with the same key gets the first one's answer, and runs no second time.",
}


def openapi(version: str, declarations: Mapping[str, Declaration], said: Mapping[str, Said]) -> dict[str, Any]:
    """The whole document. Of an operation that `said` lacks the answer is not described."""
    paths: dict[str, dict[str, Any]] = {}
    for name, declaration in declarations.items():
        operation = declaration.operation
        path = _TYPED.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _described(declaration, said.get(name))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Operations", "version": version},
        "security": [{"api_key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"api_key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _described(declaration: Declaration, said: Said | None) -> dict[str, Any]:
    operation = declaration.operation
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    answer = {"application/json": {"schema": _answer(declaration, said)}}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "parameters": [_parameter(one) for one in declaration.inputs if one.place != "body"],
        "responses": {
            "200": {"description": "It ran.", "content": answer},
            **{status: {"description": words, "content": error} for status, words in _ERRORS.items()},
        },
    }
    if operation.summary:
        found["summary"] = operation.summary
    if operation.method != "GET":
        found["parameters"].append(_KEY)
    members = [one for one in declaration.inputs if one.place == "body"]
    if members:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {one.name: schema_of_parameter(one.parameter) for one in members},
            "additionalProperties": False,
        }
        required = [one.name for one in members if is_required(one.parameter)]
        if required:
            schema["required"] = required
        found["requestBody"] = {"required": bool(required), "content": {"application/json": {"schema": schema}}}
    return found


def _parameter(found: Input) -> dict[str, Any]:
    required = found.place == "path" or is_required(found.parameter)
    return {
        "name": found.name,
        "in": found.place,
        "required": required,
        "schema": schema_of_parameter(found.parameter),
    }


def _answer(declaration: Declaration, said: Said | None) -> dict[str, Any]:
    found = declaration.work.schema() or (None if said is None else said.schema())
    if found is not None:
        return found
    return {"type": "array"} if declaration.operation.answer == "rows" else {}
