"""The options of the model with their types and ranges in words: for errors and for the reference."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from outlive.config.addresses import Address
from outlive.config.content import ContentRules, TableRules
from outlive.config.http import Http, Principal
from outlive.config.jwt import Jwt
from outlive.config.locks import Locks
from outlive.config.model import Config, Database, Listen
from outlive.config.operations import Operation, Parameter, Step
from outlive.config.secrets import Secret

REQUIRED: Final = msgspec.NODEFAULT

_UNIONS: Final = (Union, types.UnionType)
_SIMPLE: Final[dict[object, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Secret: "text",
    Address: "HOST:PORT",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its annotated type, default (REQUIRED if none), values in words, and the reason from the model."""

    name: str
    type: object
    default: object
    words: str
    why: str

    def convert(self, value: object, *, text: bool) -> object:
        """The value as the option's type. `text`: it came as a string. Raises ValueError with what it must be."""
        try:
            return msgspec.convert(value, self.type, strict=not text)
        except msgspec.ValidationError as error:
            if self.words.endswith("a table") and isinstance(value, dict | list):
                raise ValueError(f"is not as it must be: {error}") from None  # names the place, never the value
            raise ValueError(f"must be {self.words}") from None


def options_of(model: type[msgspec.Struct]) -> dict[str, Option]:
    """The options of one model, in its order; what holds no value of its own (tables, origin) is left out."""
    described = ((field, _annotated(field.type)) for field in msgspec.structs.fields(model))
    return {field.name: _option(field, annotated) for field, annotated in described if annotated is not None}


def _annotated(annotation: Any) -> Any:
    """The `Annotated[...]` of a type, also of `Annotated[...] | None` (msgspec takes no range on a union)."""
    candidates = get_args(annotation) if get_origin(annotation) in _UNIONS else (annotation,)
    return next((candidate for candidate in candidates if get_origin(candidate) is Annotated), None)


def _option(field: msgspec.structs.FieldInfo, annotated: Any) -> Option:
    base, *metas = get_args(annotated)
    meta = next(m for m in metas if isinstance(m, msgspec.Meta))
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Option(field.name, annotated, default, _words(base, meta), meta.description or "")


def _words(base: Any, meta: msgspec.Meta) -> str:
    origin = get_origin(base)
    if origin in _UNIONS:
        kinds = [_words(a, msgspec.Meta()) for a in get_args(base) if a is not types.NoneType]
        return " or ".join(dict.fromkeys(kinds)) if len(kinds) > 1 else _words(get_args(base)[0], meta)
    if origin is Literal:
        *most, last = (f'"{value}"' for value in get_args(base))
        return f"{', '.join(most)} or {last}" if most else last
    if origin is tuple:
        return f"a list of {_words(get_args(base)[0], msgspec.Meta())}"
    if origin is dict or (isinstance(base, type) and issubclass(base, msgspec.Struct)):
        return "a table"
    if base in (int, float) and meta.ge is not None:
        return f"{_SIMPLE[base]} from {meta.ge:g} to {_plain(meta.le)}"
    if base is str and meta.max_length is not None:
        return f"text of at most {meta.max_length} characters"
    return _SIMPLE[base]


def _plain(number: float | None) -> str:
    return str(int(number)) if number is not None else "any"


CONFIG_OPTIONS: Final = options_of(Config)
LISTEN_OPTIONS: Final = options_of(Listen)
DATABASE_OPTIONS: Final = options_of(Database)
HTTP_OPTIONS: Final = options_of(Http)
CONTENT_OPTIONS: Final = options_of(ContentRules)
JWT_OPTIONS: Final = options_of(Jwt)
LOCKS_OPTIONS: Final = options_of(Locks)
TABLE_OPTIONS: Final = options_of(TableRules)
PRINCIPAL_OPTIONS: Final = options_of(Principal)
OPERATION_OPTIONS: Final = options_of(Operation)
PARAMETER_OPTIONS: Final = options_of(Parameter)
STEP_OPTIONS: Final = options_of(Step)
