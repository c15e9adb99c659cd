"""How to wait: pauses while the database is full, the invocation's deadline, and calls on an event loop or without."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar

from outlive.function.life import fraction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

# Full jitter: at random between nothing and a bound that doubles, so that those refused together spread out.
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
# Of what a Lambda context has left, kept for the handler's own work and its answer.
RESERVE_S = 0.5

_end: ContextVar[float] = ContextVar("outlive_deadline", default=float("inf"))


@contextmanager
def deadline(within: object) -> Iterator[None]:
    """`with deadline(context):` nothing inside waits for a connection beyond the invocation's remaining time.

    `within`: an AWS Lambda context (what has `get_remaining_time_in_millis()`; half a second of it is kept for the
    answer), or seconds from now; else TypeError. The earliest of nested ones counts. One attempt is always made.
    """
    token = _end.set(end_of(float("inf"), within))
    try:
        yield
    finally:
        _end.reset(token)


def end_of(timeout_s: float, within: object = None) -> float:
    """When to give up, in seconds of `time.monotonic`: the earliest of `timeout_s`, `within` and `deadline`."""
    remaining = getattr(within, "get_remaining_time_in_millis", None)
    if remaining is not None:
        timeout_s = min(timeout_s, remaining() / 1000 - RESERVE_S)
    elif isinstance(within, (int, float)):
        timeout_s = min(timeout_s, within)
    elif within is not None:
        raise TypeError(f"neither seconds nor a Lambda context: {type(within).__name__}")
    return min(time.monotonic() + timeout_s, _end.get())


def pause_s(refusals: int) -> float:
    """How long to wait after so many refusals before this one, in seconds."""
    return fraction() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * (1 << min(refusals, 10)))


# A task that was cancelled is left to itself after so long: who waits has a deadline, too.
_GRACE_S = 1.0


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of one that uses `Blocking`, and so never waits for a loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value


class Blocking:
    """Calls have their driver's own timeouts."""

    loop: Any = None

    def __init__(self, sleep: Callable[[float], object] = time.sleep) -> None:
        self._sleep = sleep

    async def pause(self, seconds: float) -> None:
        self._sleep(seconds)

    async def call(self, function: Callable[[], Any], _: float, undo: object = None) -> Any:
        """TypeError when the result is to be awaited."""
        result = function()
        if hasattr(type(result), "__await__"):
            if hasattr(result, "send"):
                result.close()  # a coroutine that never starts would warn
            raise TypeError("this driver is to be awaited: use 'async with', or decorate an 'async def'")
        return result


class Awaiting:
    """On the running event loop."""

    def __init__(self) -> None:
        import asyncio

        self._asyncio = asyncio
        self.loop = asyncio.get_running_loop()

    async def pause(self, seconds: float) -> None:
        await self._asyncio.sleep(seconds)

    async def call(self, function: Callable[[], Any], seconds: float, undo: Callable[[Any], Any] = id) -> Any:
        """What it returns, or what can be awaited for that; TimeoutError after `seconds`.

        In a task of its own, so that neither a timeout nor a cancellation loses a result: `undo` gets it.
        """
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

    async def _give_up(self, task: Any, undo: Callable[[Any], Any]) -> None:
        task.cancel()
        try:
            await self._asyncio.wait({task}, timeout=_GRACE_S)
        finally:  # also when cancelled once more
            if not task.done():
                task.add_done_callback(lambda late: self._asyncio.ensure_future(self._give_up(late, undo)))
            elif not task.cancelled() and task.exception() is None:
                await self.call(lambda: undo(task.result()), _GRACE_S)
