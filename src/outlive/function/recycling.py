"""The connections of one function instance."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident
from contextlib import suppress
from contextvars import ContextVar

from outlive.function import drivers
from outlive.function.decorating import decorated
from outlive.function.ending import close_at_end
from outlive.function.life import SETTLE_S, Life, Policy
from outlive.function.waiting import RESERVE_S, Awaiting, Blocking, end_of, pause_s, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    R = TypeVar("R")


class recycled:
    """A connection, opened at the first request, used again for the next ones, replaced as `Policy` says.

    Decorates functions, which get the keyword argument `argument`. Or `connection()`.

    `connect` opens one, or is awaited; its parameter `timeout_s` gets the seconds left. `timeout_s`: longest wait while
    the database is full (then its error), or `max_size` are in use (TimeoutError). `check`, `reset`, `is_full`: in
    place of the ping, the rollback, the known codes. `on_event(name, seconds)`: at what `stats` counts.
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        *,
        argument: str = "connection",
        timeout_s: float = 30.0,
        max_size: int = 10,
        check: Any = drivers.ping,
        reset: Any = drivers.rollback,
        is_full: Any = drivers.is_full,
        on_event: Any = lambda *_: None,
        close_on_sigterm: bool = True,
        **policy: Any,
    ) -> None:
        code = getattr(getattr(connect, "func", connect), "__code__", None)  # also of a partial
        self._takes_timeout = code and "timeout_s" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self._connect, self._argument, self._timeout_s, self._max_size = connect, argument, timeout_s, max_size
        self._check, self._reset, self._is_full, self._on_event = check, reset, is_full, on_event
        self._close_on_sigterm = close_on_sigterm
        self._policy = Policy(**policy)
        if not max_size >= 1:
            raise ValueError("max_size")
        self._use: ContextVar[_Use | None] = ContextVar("outlive_use", default=None)
        self._counts = dict.fromkeys(("uses", "connects", "full", "pings", "recycled", "discarded", "repeats"), 0)
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        # Lists' own operations need no lock, nor in a signal's handler.
        self._idle: list[Life] = []
        self._places = [None] * self._max_size

    def connection(self, within: object = None) -> _Use:
        """For `with` and `async with`; inside another one of the thread or task it is the same."""
        return _Use(self, within)

    def __call__(self, function: Callable[..., R], *, repeat: bool = False) -> Callable[..., R]:
        wrapped: Callable[..., R] = decorated(self, self._argument, function, repeat=repeat)
        return wrapped

    def idempotent(self, function: Callable[..., R]) -> Callable[..., R]:
        """Decorate a function that runs again if its connection was lost."""
        return self(function, repeat=True)

    def connect(self, sleep: Any = time.sleep) -> Any:
        """A new connection, the caller's own. SQLAlchemy's `creator`."""
        return run(self._open(Blocking(sleep), None, own=True)).connection

    def close(self) -> None:
        """Close the idle connections of a blocking driver."""
        run(self.aclose(Blocking()))

    async def aclose(self, mode: Any = None) -> None:
        """Close those of the running event loop."""
        loop = (mode or Awaiting()).loop
        for held in self._take(lambda held: held.mode.loop is loop):
            await self._end(held, "recycled")

    def stats(self) -> dict[str, int]:
        """How often: docs/remedies/recycle.md."""
        return dict(self._counts)

    def count(self, event: str, seconds: float = 0.0) -> None:
        self._counts[event] += 1
        with suppress(Exception):  # metrics must not cost a request
            self._on_event(event, seconds)

    async def acquire(self, mode: Any, within: object) -> Life:
        self.count("uses")
        for held in self._take(lambda held: held.mode.loop and held.mode.loop.is_closed()):
            held.ended = True
            self.count("discarded")
            self._places.append(None)
        held = await self._open(mode, within)
        if not held.uses and mode.loop:
            held.keeper = self._keep(held)
            with suppress(StopIteration):
                held.keeper.__anext__().send(None)  # up to its yield, without a round of the loop
        elif not mode.loop:
            close_at_end(self, sigterm=self._close_on_sigterm)
        return held

    async def _open(self, mode: Any, within: object, *, own: bool = False) -> Life:
        began = time.monotonic()
        end = end_of(self._timeout_s, within)
        refused = 0
        while True:
            while found := [] if own else self._take(lambda held: held.mode.loop is mode.loop, 1):
                if await self._fit(found[0]):
                    return found[0]
            try:
                left = max(end - time.monotonic(), RESERVE_S)
                return await self._connected(mode, left, [None] if own else self._places)
            except Exception as error:
                if not isinstance(error, _CrowdedError) and not self._is_full(error):
                    raise
                waited = time.monotonic() - began
                self.count("full", waited)
                left = end - time.monotonic()
                if left <= 0:
                    error.add_note(f"outlive.function: tried for {waited:.1f} s")
                    raise
            await mode.pause(min(left, pause_s(refused)))
            refused += 1

    async def _connected(self, mode: Any, left: float, places: list[None]) -> Life:
        try:
            places.pop()
        except IndexError:
            raise _CrowdedError(f"all {self._max_size} are in use (max_size)") from None
        began, held = time.monotonic(), None
        given = {"timeout_s": left} if self._takes_timeout else {}
        try:
            held = Life(await mode.call(lambda: self._connect(**given), left, drivers.close), self._policy, mode)
            await mode.call(lambda: drivers.opened(held.connection), left)
        except BaseException:
            try:
                if held:
                    await held.close(in_doubt=True)
            finally:
                places.append(None)
            raise
        self.count("connects", time.monotonic() - began)
        return held

    def _take(self, fits: Any, most: int = sys.maxsize) -> list[Life]:
        if self._pid != os.getpid():
            for held in self._idle:
                drivers.abandon(held.connection)
            self._start()
        taken = []
        for held in [held for held in reversed(self._idle) if fits(held)][:most]:
            with suppress(ValueError):  # another thread was first
                self._idle.remove(held)
                taken.append(held)
        return taken

    async def _fit(self, held: Life) -> bool:
        if held.over():
            await self._end(held, "recycled")
            return False
        fit = False
        try:
            for _ in range(5 if held.mode.loop else 0):  # rounds, for it to hear what came meanwhile
                await held.mode.pause(0)
            fit = not drivers.is_closed(held.connection)
            if fit and (held.uncertain() or drivers.has_input(held.connection)):
                self.count("pings")
                before = drivers.limit_silence(held.connection, int(SETTLE_S * 1000))
                fit = await held.works(self._check, self._reset)
                drivers.limit_silence(held.connection, before)
        finally:
            if not fit:
                await self._end(held, "discarded", in_doubt=True)
        return fit

    async def release(self, held: Life, error: BaseException | None) -> bool:
        """Tells whether it was lost."""
        if held.inherited():
            drivers.abandon(held.connection)
            return False
        held.used()
        # A reply may be left, which the next request would take for its own.
        in_doubt = isinstance(error, TimeoutError)
        in_doubt |= not isinstance(error, (Exception, GeneratorExit, SystemExit, type(None)))
        theirs = drivers.is_of(error, held.connection)
        in_doubt |= drivers.is_amid(None if theirs else error, held.connection)
        clean = False
        try:
            clean = not in_doubt and not drivers.is_closed(held.connection) and await held.works(self._reset)
            if clean and theirs:  # some roll back without asking the server
                clean = await held.works(self._check, self._reset)
        finally:
            if not clean:
                await self._end(held, "discarded", in_doubt=in_doubt)
            elif held.used_up():
                await self._end(held, "recycled")
            else:
                self._idle.append(held)
        return theirs and not clean

    async def _end(self, held: Life, event: str, *, in_doubt: bool = False) -> None:
        """Then its place is free, and not before."""
        if held.ended:
            return
        held.ended = True
        self.count(event)
        try:
            await held.close(in_doubt=in_doubt)
        finally:
            self._places.append(None)
        if held.keeper:
            await held.keeper.aclose()

    async def _keep(self, held: Life) -> Any:
        """A loop that ends closes its generators first, and so this connection."""
        try:
            yield
        finally:
            if not held.ended:
                self._take(lambda other: other is held)
                held.keeper = None
                await self._end(held, "recycled")


class _CrowdedError(TimeoutError):
    pass


class _Use:
    """`lost`: was the connection?"""

    lost = False
    _outer: _Use | None = None
    _depth = 0
    _held: Life
    _user: object

    def __init__(self, owner: recycled, within: object) -> None:
        self._owner = owner
        self._within = within

    def __enter__(self) -> Any:
        return run(self._enter(Blocking()))

    async def __aenter__(self) -> Any:
        return await self._enter(Awaiting())

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        run(self._exit(error))

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._exit(error)

    async def _enter(self, mode: object) -> Any:
        if self._outer:
            raise RuntimeError("call connection() for each 'with'")
        outer = self._owner._use.get()
        # A new task has a copy of its maker's context, and so its maker's use.
        if not outer or not outer._depth or outer._user != _user() or outer._held.inherited():
            self._held = await self._owner.acquire(mode, self._within)
            self._user = _user()
            self._owner._use.set(self)
            outer = self
        self._outer = outer
        outer._depth += 1
        return outer._held.connection

    async def _exit(self, error: BaseException | None) -> None:
        outer, self._outer = self._outer, None
        assert outer
        outer._depth -= 1
        if not outer._depth:
            outer._user = None
            self.lost = await self._owner.release(outer._held, error)


def _user() -> object:
    """The thread, and the task where there is one."""
    asyncio = sys.modules.get("asyncio")
    with suppress(RuntimeError):  # no loop runs here
        return get_ident(), asyncio and asyncio.current_task()
    return get_ident(), None
