"""The words of an operation's Redis command as arguments: each of them one, whatever the values are."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from outlive.config.command_words import parts_of
from outlive.config.operations import Parameter, Word
from outlive.gateway.parameters import as_text


class Argument(NamedTuple):
    """Text, with the values of parameters between its pieces."""

    texts: list[bytes]
    names: list[str]
    parameters: list[Parameter]

    def of(self, values: Mapping[str, Any]) -> bytes:
        """With these values in it."""
        found = [self.texts[0]]
        for name, parameter, text in zip(self.names, self.parameters, self.texts[1:], strict=True):
            found += (as_argument(parameter, values[name]), text)
        return b"".join(found)


def argument_of(word: Word, parameters: Mapping[str, Parameter]) -> Argument:
    """All names of the word are among the parameters, and its braces are right: the configuration was checked."""
    parts = parts_of(word)
    names = parts[1::2]
    return Argument([text.encode() for text in parts[::2]], names, [parameters[name] for name in names])


def as_argument(parameter: Parameter, value: Any) -> bytes:
    """A value as bytes. What SQL takes for the same is the same here: keys are compared byte by byte."""
    if parameter.type == "json":
        return msgspec.json.encode(value)
    if parameter.type == "bytes":
        return b64decode(value)
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if parameter.type == "uuid":
        return as_text(value.lower())
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return b"%d" % value  # 1.0 of a query is 1 of a body
    return as_text(value)
