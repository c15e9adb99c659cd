"""The node's side of the process that parses: one, started when it is first needed, and again after one that ended."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Final

import msgspec

from outlive.gateway.failure import Failure
from outlive.gateway.rules.canon import Dialect
from outlive.gateway.rules.facts import Facts, Unreadable

WAITING_MAX: Final = 256
"""Texts that wait for the process at once, over all principals; what comes on top is told to come again."""
START_S: Final = 20.0
GRACE_S: Final = 1.0
"""For the process to end by itself, which it does when a text's time is up."""
TOO_LONG: Final = "parse_timeout"
"""The rule that is broken by what is not parsed in time; it may be another time, so that is not kept."""


class Parsing:
    """Of one node."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._under_way: dict[tuple[Dialect, str], asyncio.Task[Facts | Unreadable]] = {}

    async def read(self, dialect: Dialect, text: str, timeout_s: float) -> Facts | Unreadable:
        """Of a canonical text. Callers with the same text wait for one parsing, which goes on where they leave. Raises
        Failure (503) where too many texts wait.
        """
        key = (dialect, text)
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= WAITING_MAX:
                raise Failure(503, "rules_busy", "Too many statements wait to be parsed for the rules: send it again.")
            task = self._under_way[key] = asyncio.ensure_future(self._read(dialect, text, timeout_s))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, dialect: Dialect, text: str, timeout_s: float) -> Facts | Unreadable:
        async with self._turn:
            process = self._process
            self._process = None  # until an answer was read to its end
            try:
                if process is None or process.returncode is not None:
                    process = await _started()
                found = await _exchange(process, dialect, text, timeout_s)
                self._process = process
                return found
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                return Unreadable(TOO_LONG, "it takes too long")
            finally:
                if self._process is None and process is not None:
                    with suppress(ProcessLookupError):
                        process.kill()


async def _started() -> asyncio.subprocess.Process:
    """It has loaded all, so that a text's time is its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "outlive.gateway.rules.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # a parser's message may quote the statement
    )
    try:
        await _exchange(process, "postgres", "SELECT 1", START_S)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    return process


async def _exchange(
    process: asyncio.subprocess.Process, dialect: Dialect, text: str, timeout_s: float
) -> Facts | Unreadable:
    assert process.stdin is not None
    assert process.stdout is not None
    request = msgspec.msgpack.encode((timeout_s, dialect, text))
    process.stdin.write(len(request).to_bytes(4, "big") + request)
    async with asyncio.timeout(timeout_s + GRACE_S):
        length = int.from_bytes(await process.stdout.readexactly(4), "big")
        answer = await process.stdout.readexactly(length)
    was_read, found = msgspec.msgpack.decode(answer, type=tuple[bool, msgspec.Raw])
    return msgspec.msgpack.decode(found, type=Facts) if was_read else msgspec.msgpack.decode(found, type=Unreadable)
