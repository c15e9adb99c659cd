"""Which Redis commands a declared operation may have: those that need no session and wait for nobody. Pure.

What a command is stands in `redis_commands.py`, which the proxy goes by, too; and which only read in `redis_keys.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outlive.config.command_words import parts_of, sample
from outlive.config.inputs import Input, is_required
from outlive.config.operations import Operation, Word
from outlive.config.redis_commands import (
    ALONE,
    BLOCKING,
    CONTAINER,
    FORBIDDEN,
    GATED,
    LOCAL,
    SUBSCRIBING,
    TABLE,
    TRANSACTION,
    kind_of,
)
from outlive.config.redis_keys import reads
from outlive.config.rules import Report

_REASONS: Final = {
    ALONE: "is for operators",
    TRANSACTION: "is about a transaction, and several commands are one already",
    BLOCKING: "may wait for somebody else",
    SUBSCRIBING: "makes the server speak unasked",
    LOCAL: "is about a connection, and a request has none of its own",
    GATED: "is for operators",
    FORBIDDEN: "is not possible through a connection pool",
}
_STREAMS: Final = (b"xread", b"xreadgroup")
_WITH_SUBCOMMANDS: Final = frozenset(name for name, kind in TABLE.items() if kind == CONTAINER) | {
    *(b"cluster", b"command", b"memory", b"object", b"pubsub", b"xgroup", b"xinfo")
}


def check_commands(operation: Operation, inputs: Sequence[Input], path: str, report: Report) -> None:
    """All of them, and their parameters."""
    known = {found.name for found in inputs}
    used: set[str] = set()
    where = f"{path}.commands"
    for words in operation.commands:
        try:
            names = [name for word in words for name in parts_of(word)[1::2]]
        except ValueError:
            report(where, "A brace stands alone.", "Write {name} for a parameter, and {{ or }} for a brace.")
            return
        used.update(names)
        for name in names:
            if name not in known:
                report(where, f"The command has {{{name}}}, which is no parameter.", f"Add it to [{path}.parameters].")
        _check_command(operation, words, where, report)
    for name in sorted(known - used):
        report(path, f"No command has {{{name}}}.", "Use the parameter, or leave it out.")
    for name, _, parameter in inputs:
        if parameter.many:
            report(f"{path}.parameters.{name}", "A value is one argument of a command.", "Leave many out.")
        if parameter.nullable or not (is_required(parameter) or parameter.default is not None):
            report(f"{path}.parameters.{name}", "Redis has no NULL.", "Require the parameter, or give it a default.")


def _check_command(operation: Operation, words: tuple[Word, ...], where: str, report: Report) -> None:
    written = sample(words)
    if not written or not written[0]:
        report(where, "A command has no words.", 'Write ["GET", "key"].')
        return
    shown = written[0].decode().upper()[:64]
    if any(map(_has_names, _deciding(words, written))):
        report(where, f"A parameter would decide what the command {shown} does.", "Write its first words out.")
        return
    kind = kind_of(written)
    # One that is not in the table is of a newer server or a module: `check --live` asks the server about it.
    if kind in _REASONS and (kind != ALONE or written[0].lower() in TABLE):
        report(where, f"{shown} {_REASONS[kind]}.", "Leave it out: no operation can have it.")
    elif operation.method == "GET" and not reads(written):
        report(where, f"GET is for reads, and {shown} is not known to be one.", "Use POST, PUT, PATCH or DELETE.")


def _deciding(words: tuple[Word, ...], written: list[bytes]) -> tuple[Word, ...]:
    """Those that decide what the command is: its name, its subcommand, and the options among which BLOCK may be."""
    name = written[0].lower()
    if name not in _STREAMS:
        return words[:2] if name in _WITH_SUBCOMMANDS else words[:1]
    upper = [word.upper() for word in written]
    end = upper.index(b"STREAMS") if b"STREAMS" in upper else len(upper)
    # COUNT has a value, GROUP two.
    options = [
        words[place]
        for place in range(1, end)
        if upper[place - 1] not in (b"COUNT", b"GROUP") and upper[max(place - 2, 0)] != b"GROUP"
    ]
    return (words[0], *options)


def _has_names(word: Word) -> bool:
    return len(parts_of(word)) > 1
