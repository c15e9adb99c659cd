"""What a Redis server says of an operation's commands: whether it knows them, how many words they have, what they do.

Source: COMMAND INFO of Redis 7.0 and Valkey 9.1: name, arity (below zero: at least so many words), flags; a subcommand
is `container|subcommand`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from outlive.config.command_words import sample
from outlive.config.operations import Operation
from outlive.gateway.databases import Databases
from outlive.gateway.declared.work import DESCRIBE_S, Finding, Said
from outlive.gateway.redis_work import within
from outlive.proxy.redis.in_process import InProcessRedis

_REPLY_BYTES_MAX: Final = 4 * 1024 * 1024
_SUBCOMMANDS: Final = 9
"""Where a command's reply has those that it contains."""
_STREAMS: Final = (b"XREAD", b"XREADGROUP")
"""They block with BLOCK only, which was looked for before."""
_HARMLESS: Final = frozenset((b"BGREWRITEAOF", b"BGSAVE", b"SAVE", b"PUBLISH", b"SPUBLISH", b"PUBSUB"))
"""Flagged, and of use to operations all the same."""


class Info(NamedTuple):
    """Of one command; `subcommands` by name."""

    name: str
    arity: int
    flags: frozenset[str]
    subcommands: dict[str, Info]


class CommandInfo(Said):
    """Of each command what the server says; None where it does not know it."""

    def __init__(self, operation: Operation, said: Sequence[Info | None]) -> None:
        self._operation = operation
        self._said = said

    def findings(self) -> list[Finding]:
        """See `Said`."""
        operation = self._operation
        path = f"operations.{operation.name}.commands"
        found: list[Finding] = []
        for words, info in zip(operation.commands, self._said, strict=True):
            written = sample(words)
            name = written[0].decode().upper()
            if info is None:
                found.append(Finding(path, f"{operation.database} knows no command {name}.", "Correct its name."))
                continue
            found += [Finding(path, sentence, remedy) for sentence, remedy in self._of(info, written)]
        return found

    def _of(self, info: Info, written: list[bytes]) -> list[tuple[str, str]]:
        name = info.name.upper()
        if info.subcommands and len(written) > 1:
            word = written[1].decode().lower()
            if word not in info.subcommands:
                return [(f"{name} has no subcommand {word.upper()}.", "Correct it.")]
            info = info.subcommands[word]
            name = f"{name} {word.upper()}"
        if not (len(written) == info.arity or 0 < -info.arity <= len(written)):
            least = f"at least {-info.arity}" if info.arity < 0 else f"{info.arity}"
            return [(f"{name} has {least} words, and here {len(written)}.", "Correct them.")]
        flags = info.flags
        if self._operation.method == "GET" and "write" in flags:
            return [(f"GET is for reads, and {name} writes.", "Use another method.")]
        if "blocking" in flags and written[0].upper() not in _STREAMS:
            return [(f"{name} may wait for somebody else.", "Leave it out.")]
        for flag in ("admin", "pubsub"):
            if flag in flags and written[0].upper() not in _HARMLESS:
                return [(f"{name} is no command for operations ({flag}).", "Leave it out.")]
        if len(self._operation.commands) > 1 and "no_multi" in flags:
            return [(f"{name} cannot be in a transaction.", "Give it an operation of its own.")]
        return []


async def asked(databases: Databases, operation: Operation) -> CommandInfo:
    """Asks the server. Raises Failure where it cannot be asked."""
    names = [sample(words)[0] for words in operation.commands]

    def open() -> InProcessRedis:
        return databases.open_redis(operation.database, _REPLY_BYTES_MAX)

    async def run(redis: InProcessRedis) -> Any:
        return await redis.run(b"COMMAND", b"INFO", *names)

    replies = await within(DESCRIBE_S, open, run)
    return CommandInfo(operation, [info_of(reply) for reply in replies])


def info_of(reply: Any) -> Info | None:
    """One command's part of the reply."""
    if not isinstance(reply, list):
        return None
    subcommands = reply[_SUBCOMMANDS] if len(reply) > _SUBCOMMANDS else []
    named = [found for found in map(info_of, subcommands) if found is not None]
    return Info(
        reply[0].decode(),
        reply[1],
        frozenset(flag.decode() for flag in reply[2]),
        {found.name.split("|")[-1].lower(): found for found in named},
    )
