"""Answers to reads that are given again for a while, and one statement for all who ask the same at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from outlive.gateway.idempotency import Answer


class _Kept(NamedTuple):
    answer: Answer
    at: float
    until: float


class Cache:
    """Of one configuration. Times are the clock's, in seconds. The least recently used go first where room is short."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._running: dict[Hashable, asyncio.Task[Answer]] = {}
        self.held_bytes = 0

    async def answer(
        self, key: Hashable, keep_s: float, max_bytes: int, run: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, int]:
        """The answer and its age in whole seconds. What runs goes on though who asked first has gone."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None:
            if now < kept.until:
                self._kept.move_to_end(key)
                return kept.answer, int(now - kept.at)
            self._drop(key)
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._run(key, keep_s, max_bytes, run))
        return await asyncio.shield(task), 0

    async def _run(self, key: Hashable, keep_s: float, max_bytes: int, run: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            answer = await run()
        finally:
            del self._running[key]
        if answer.status == 200 and len(answer.body) <= max_bytes:
            now = self._clock()
            self._kept[key] = _Kept(answer, now, now + keep_s)
            self.held_bytes += len(answer.body)
            while self.held_bytes > max_bytes:
                self._drop(next(iter(self._kept)))
        return answer

    def _drop(self, key: Hashable) -> None:
        self.held_bytes -= len(self._kept.pop(key).answer.body)
