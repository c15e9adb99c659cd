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
            if process is None or process.returncode is not None:
                process = self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "outlive.gateway.rules.worker",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # a parser's message may quote the statement
                )
                timeout_s += START_S
            self._process = None  # until its answer was read to its end
            try:
                async with asyncio.timeout(timeout_s + 1.0):
                    found = await _exchange(process, msgspec.msgpack.encode((timeout_s, dialect, text)))
                    self._process = process
                    return found
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                return Unreadable(TOO_LONG, "it takes too long")
            finally:
                if self._process is None:
                    with suppress(ProcessLookupError):
                        process.kill()


async def _exchange(process: asyncio.subprocess.Process, request: bytes) -> Facts | Unreadable:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(request).to_bytes(4, "big") + request)
    length = int.from_bytes(await process.stdout.readexactly(4), "big")
    answer = await process.stdout.readexactly(length)
    was_read, found = msgspec.msgpack.decode(answer, type=tuple[bool, msgspec.Raw])
    return msgspec.msgpack.decode(found, type=Facts) if was_read else msgspec.msgpack.decode(found, type=Unreadable)
