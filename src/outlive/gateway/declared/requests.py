"""A request's values for an operation: from its path, its query and its body. What is wrong is 422 and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from outlive.config.inputs import Input, is_required
from outlive.config.values import of_json, of_texts, words_of
from outlive.gateway.failure import Failure, bad_request

_FIELDS_MAX: Final = 10_000
_MISSING: Final = object()


def values_of(inputs: Sequence[Input], path: dict[str, str], query: bytes, body: bytes) -> dict[str, Any]:
    """By the parameter's name. Raises Failure, which names all that are wrong."""
    texts = _query(query)
    members = _body(inputs, body)
    known = {found.name: found.place for found in inputs}
    wrong = [_Wrong(name, "is no parameter of the query") for name in texts if known.get(name) != "query"]
    wrong += [_Wrong(name, "is no member of the body") for name in members if known.get(name) != "body"]
    values: dict[str, Any] = {}
    for found in inputs:
        try:
            values[found.name] = _value(found, path, texts, members)
        except _Wrong as one:
            wrong.append(one)
    if wrong:
        raise invalid(wrong[0].name, wrong[0].what, [{"name": one.name, "message": one.what} for one in wrong])
    return values


class _Wrong(Exception):
    def __init__(self, name: str, what: str) -> None:
        Exception.__init__(self)
        self.name = name
        self.what = what


def invalid(name: str, what: str, all: list[dict[str, str]] | None = None) -> Failure:
    """`all` are further ones, this one among them."""
    found: dict[str, object] = {"parameter": name}
    if all is not None and len(all) > 1:
        found["parameters"] = all
    return Failure(422, "invalid_parameter", f"{name} {what}.", details=found)


def _value(found: Input, path: dict[str, str], texts: dict[str, list[str]], members: dict[str, Any]) -> Any:
    name, place, parameter = found
    if place == "body":
        given = members.get(name, _MISSING)
    else:
        given = [path[name]] if place == "path" else texts.get(name, _MISSING)
    if given is _MISSING:
        if is_required(parameter):
            raise _Wrong(name, "is missing")
        return parameter.default
    if place != "body" and len(given) > 1 and not parameter.many:
        raise _Wrong(name, "is there more than once")
    try:
        return of_json(parameter, given) if place == "body" else of_texts(parameter, given)
    except (ValueError, RecursionError):
        raise _Wrong(name, f"must be {words_of(parameter)}") from None


def _query(query: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise bad_request("The query is not UTF-8 in %-escapes, or has too many fields.") from None
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(name, []).append(text)
    return found


def _body(inputs: Sequence[Input], body: bytes) -> dict[str, Any]:
    if not any(found.place == "body" for found in inputs) and not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise bad_request("The body is not a JSON object.")
    return found
