"""How to wait, on an event loop or without."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar

from outlive.function.life import fraction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

RESERVE_S = 0.5

_end: ContextVar[float] = ContextVar("outlive_deadline", default=float("inf"))


@contextmanager
def deadline(within: object) -> Iterator[None]:
    """`with deadline(context):` nothing inside waits longer for a connection; the earliest of nested ones counts.

    `within`: an AWS Lambda context (half a second of its time is kept for the answer), or seconds from now; else
    TypeError. One attempt is always made.
    """
    token = _end.set(end_of(float("inf"), within))
    try:
        yield
    finally:
        _end.reset(token)


def end_of(timeout_s: float, within: Any = None) -> float:
    """When to give up, in seconds of `time.monotonic`."""
    remaining = getattr(within, "get_remaining_time_in_millis", None)
    if remaining is not None:
        timeout_s = min(timeout_s, remaining() / 1000 - RESERVE_S)
    elif within is not None:
        timeout_s = min(timeout_s, float(within))
    return min(time.monotonic() + timeout_s, _end.get())


def pause_s(refusals: int) -> float:
    """Full jitter, so that those refused together spread out."""
    return fraction() * min(2.0, 0.05 * (1 << min(refusals, 10)))


def run(coroutine: Any) -> Any:
    """With `Blocking`, it never waits for a loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value


class Blocking:
    loop: Any = None

    def __init__(self, sleep: Any = time.sleep) -> None:
        self._sleep = sleep

    async def pause(self, seconds: float) -> None:
        self._sleep(seconds)

    async def call(self, function: Any, _: float, undo: object = None) -> Any:
        result = function()
        if hasattr(type(result), "__await__"):
            if hasattr(result, "send"):
                result.close()  # a coroutine that never starts would warn
            raise TypeError("to be awaited: use 'async with', or decorate an 'async def'")
        return result


class Awaiting:
    def __init__(self) -> None:
        import asyncio

        self._asyncio = asyncio
        self.loop = asyncio.get_running_loop()
        self.pause = asyncio.sleep

    async def call(self, function: Any, seconds: float, undo: Any = id) -> Any:
        """In a task of its own: `undo` gets a result that comes too late."""
        result = function()
        if not hasattr(type(result), "__await__"):
            return result
        task = self._asyncio.ensure_future(result)
        try:
            await self._asyncio.wait({task}, timeout=seconds)
        except self._asyncio.CancelledError:
            await self._give_up(task, undo)
            raise
        if not task.done():
            await self._give_up(task, undo)
            raise TimeoutError(f"not done in {seconds:.1f} s")
        return task.result()

    async def _give_up(self, task: Any, undo: Any) -> None:
        task.cancel()
        try:
            await self._asyncio.wait({task}, timeout=1.0)
        finally:  # also when cancelled once more
            if not task.done():
                task.add_done_callback(lambda late: self._asyncio.ensure_future(self._give_up(late, undo)))
            elif not task.cancelled() and task.exception() is None:
                await self.call(lambda: undo(task.result()), 1.0)
