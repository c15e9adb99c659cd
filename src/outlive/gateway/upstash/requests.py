"""What a request asks for, as commands of bytes: a body of JSON, or a path.

Source: Upstash's documentation, "REST API": commands in the body, in the path with the body as their last word and the
query's parameters behind it, pipelines and transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from outlive.gateway.failure import Failure

COMMANDS_MAX: Final = 10_000
"""In one pipeline or transaction."""
WORDS_MAX: Final = 100_000

_Words = list[bytes]
_strings: Final = msgspec.json.Decoder(list[str])
_lists_of_strings: Final = msgspec.json.Decoder(list[list[str]])
_anything: Final = msgspec.json.Decoder(list[msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)
_LITERALS: Final = (b"true", b"false")


def _bad(message: str) -> Failure:
    return Failure(400, "bad_request", f"ERR {message}")


def one(body: bytes) -> _Words:
    """`["SET", "a", "b"]`. Raises Failure."""
    try:
        words = [word.encode() for word in _strings.decode(body)]
    except msgspec.ValidationError:
        words = _mixed(body)
    except (msgspec.DecodeError, UnicodeError):
        raise _bad("failed to parse command: send a JSON array of its words") from None
    return _checked(words)


def several(body: bytes) -> list[_Words]:
    """`[["GET", "a"], ["SET", "b", 1]]`. Raises Failure."""
    try:
        found = [[word.encode() for word in words] for words in _lists_of_strings.decode(body)]
    except msgspec.ValidationError:
        found = [_mixed(bytes(raw)) for raw in _elements(body)]
    except (msgspec.DecodeError, UnicodeError):
        raise _bad("failed to parse pipeline request: send a JSON array of commands") from None
    if not 0 < len(found) <= COMMANDS_MAX:
        raise _bad("empty pipeline request" if not found else f"more than {COMMANDS_MAX} commands in one request")
    return [_checked(words) for words in found]


def of_path(raw_path: bytes, query: bytes, body: bytes) -> _Words:
    """`/SET/a/b?EX=10`, the body being the last word of the path. Raises Failure."""
    words = [unquote_to_bytes(part) for part in raw_path.lstrip(b"/").split(b"/")]
    if body:
        words.append(body)
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != b"_token":
            words += [name, value] if value else [name]
    return _checked(words)


def subscription_of(raw_path: bytes) -> _Words:
    """`/subscribe/a/b`: the command in capitals and its channels. Raises Failure."""
    command, *channels = (unquote_to_bytes(part) for part in raw_path.lstrip(b"/").split(b"/"))
    if not channels or not all(channels):
        raise _bad("wrong number of arguments for 'subscribe' command")
    return [command.upper(), *channels]


def token_of(query: bytes) -> str | None:
    """`?_token=`, for those who can send no header."""
    if b"_token=" not in query:
        return None
    return next((value.decode("utf-8", "replace") for name, value in parse_qsl(query) if name == b"_token"), None)


def _mixed(body: bytes) -> _Words:
    """Numbers and booleans are words as they are written: 1.0 stays 1.0."""
    return [_word(bytes(raw).strip()) for raw in _elements(body)]


def _elements(body: bytes) -> Sequence[msgspec.Raw]:
    try:
        return _anything.decode(body)
    except msgspec.DecodeError:
        raise _bad("failed to parse command: send a JSON array of its words") from None


def _word(raw: bytes) -> bytes:
    if raw[:1] == b'"':
        try:
            return _string.decode(raw).encode()
        except (msgspec.DecodeError, UnicodeError):
            raise _bad("failed to parse command: a word is not UTF-8") from None
    if raw in _LITERALS or raw[:1] in b"-0123456789":
        return raw
    raise _bad("failed to parse command: a word is text or a number, not null, an array or an object")


def _checked(words: _Words) -> _Words:
    if not words or not words[0]:
        raise _bad("empty command")
    if len(words) > WORDS_MAX:
        raise _bad(f"a command has at most {WORDS_MAX} words")
    return words
