"""`recycled`: the connections of one function instance, each used again as long as that is safe."""

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
    from collections.abc import AsyncGenerator, Callable
    from typing import Any, TypeVar

    R = TypeVar("R")


class recycled:  # a decorator to its users
    """A connection, opened at the first request, used again for the next ones, and replaced as the policy says.

    Decorates functions and generators, `async` or not: they get the keyword argument `argument`, unless their caller
    gives it. Or use `connection()`. docs/remedies/recycle.md has the whole of it.

    `connect` opens one, blocking or awaited; its parameter `timeout_s`, if any, gets the seconds left. `timeout_s`:
    longest wait while the database is full, or `max_size` are in use here (then TimeoutError). `check`, `reset`,
    `is_full`: in place of the ping, the rollback after each use, the known codes. `on_event(name, seconds)`: called at
    what `stats` counts. The rest: `Policy`.
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        *,
        argument: str = "connection",
        timeout_s: float = 30.0,
        max_size: int = 10,
        check: Callable[[Any], object] = drivers.ping,
        reset: Callable[[Any], object] = drivers.rollback,
        is_full: Callable[[BaseException], bool] = drivers.is_full,
        on_event: Callable[[str, float], object] = lambda *_: None,
        close_on_sigterm: bool = True,
        **policy: Any,
    ) -> None:
        code = getattr(connect, "__code__", None)
        self._takes_timeout = code and "timeout_s" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self._connect = connect
        self._argument = argument
        self._timeout_s = timeout_s
        self._max_size = max_size
        self._check = check
        self._reset = reset
        self._is_full = is_full
        self._on_event = on_event
        self._close_on_sigterm = close_on_sigterm
        self._policy = Policy(**policy)
        self._use: ContextVar[_Use | None] = ContextVar("outlive_use", default=None)
        self._counts = dict.fromkeys(("uses", "connects", "full", "pings", "recycled", "discarded", "repeats"), 0)
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        # Single operations of lists need no lock, also not in a signal's handler.
        self._idle: list[Life] = []
        self._places = [None] * self._max_size

    def connection(self, within: object = None) -> _Use:
        """For `with` and `async with`; inside another of the same thread or task, its connection, which that ends."""
        return _Use(self, within)

    def __call__(self, function: Callable[..., R]) -> Callable[..., R]:
        return decorated(self, self._argument, function, repeat=False)

    def idempotent(self, function: Callable[..., R]) -> Callable[..., R]:
        """Decorate a function that may run twice: it does if its connection was lost. TypeError for generators."""
        return decorated(self, self._argument, function, repeat=True)

    def connect(self, sleep: Callable[[float], object] = time.sleep) -> Any:
        """A new connection, the caller's own, waited for while the database is full. SQLAlchemy's `creator`."""
        return run(self._open(Blocking(sleep), None, own=True)).connection

    async def aconnect(self) -> Any:
        """`connect` for what is to be awaited. SQLAlchemy's `async_creator`."""
        return (await self._open(Awaiting(), None, own=True)).connection

    def close(self) -> None:
        """Close the idle connections of a blocking driver."""
        run(self._close_idle(None))

    async def aclose(self) -> None:
        """Close those of the running event loop."""
        await self._close_idle(Awaiting().loop)

    async def _close_idle(self, loop: object) -> None:
        for held in self._take(lambda held: held.mode.loop is loop):
            await self._end(held, "recycled")

    def stats(self) -> dict[str, int]:
        """So far: `uses`, `connects`, `full` (refusals), `pings`, `repeats`, `recycled` and `discarded` (broken)."""
        return dict(self._counts)

    def count(self, event: str, seconds: float = 0.0) -> None:
        self._counts[event] += 1
        with suppress(Exception):  # metrics must not cost a request
            self._on_event(event, seconds)

    async def acquire(self, mode: Any, within: object) -> Life:
        self.count("uses")
        for held in self._take(lambda held: held.mode.loop and held.mode.loop.is_closed()):
            # Nothing can be said any more; its socket closes when it is collected.
            held.ended = True
            self.count("discarded")
            self._places.append(None)
        held = await self._open(mode, within)
        if not held.uses and mode.loop:
            held.keeper = self._keep(held)
            with suppress(StopIteration):
                held.keeper.__anext__().send(None)  # up to its yield, without a round of the loop
        elif self._close_on_sigterm:
            close_at_end(self)
        return held

    async def _open(self, mode: Any, within: object, *, own: bool = False) -> Life:
        """An idle one that is fit for use, else a new one; one's `own` is neither counted nor shared."""
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
        if not places:
            raise _CrowdedError(f"all {self._max_size} connections of this process are in use (max_size)")
        places.pop()
        began = time.monotonic()
        held = None
        given = {"timeout_s": left} if self._takes_timeout else {}
        try:
            held = Life(await mode.call(lambda: self._connect(**given), left, drivers.close), self._policy, mode)
            await mode.call(lambda: drivers.opened(held.connection), left)
        except BaseException:
            if held:
                await held.close(in_doubt=True)
            places.append(None)
            raise
        self.count("connects", time.monotonic() - began)
        return held

    def _take(self, fits: Callable[[Life], Any], most: int = sys.maxsize) -> list[Life]:
        """Of the idle ones, the last used first. Nobody else has them after this."""
        if self._pid != os.getpid():
            for held in self._idle:
                drivers.abandon(held.connection)
            self._start()
        taken = [held for held in reversed(self._idle) if fits(held)][:most]
        for held in taken[:]:
            try:
                self._idle.remove(held)
            except ValueError:  # another thread was first
                taken.remove(held)
        return taken

    async def _fit(self, held: Life) -> bool:
        if held.over():
            await self._end(held, "recycled")
            return False
        fit = False
        try:
            for _ in range(5 if held.mode.loop else 0):  # it hears what came meanwhile, and tells the driver
                await held.mode.pause(0)
            fit = not drivers.is_closed(held.connection)
            if fit and (held.uncertain() or drivers.has_input(held.connection)):
                self.count("pings")
                before = drivers.limit_silence(held.connection, int(SETTLE_S * 1000))
                fit = await held.works(self._check)
                drivers.limit_silence(held.connection, before)
        finally:
            if not fit:
                await self._end(held, "discarded", in_doubt=True)
        return fit

    async def release(self, held: Life, error: BaseException | None) -> bool:
        """Roll back, and keep or close it. Tells whether it was lost."""
        if held.inherited():
            drivers.abandon(held.connection)
            return False
        held.used()
        # What was interrupted may have left a reply on its way, which the next request would take for its own.
        in_doubt = isinstance(error, TimeoutError)
        in_doubt |= not isinstance(error, (Exception, GeneratorExit, SystemExit, type(None)))
        theirs = drivers.is_of(error, held.connection)
        clean = False
        try:
            clean = not in_doubt and not drivers.is_closed(held.connection) and await held.works(self._reset)
            if clean and theirs:  # some drivers roll back without asking the server when they know of no transaction
                clean = await held.works(self._check)
        finally:
            if not clean:
                await self._end(held, "discarded", in_doubt=in_doubt)
            elif held.used_up():
                await self._end(held, "recycled")
            else:
                self._idle.append(held)
        return theirs and not clean

    async def _end(self, held: Life, event: str, *, in_doubt: bool = False) -> None:
        """Close it; its place is free after that, so that no replacement comes beside it."""
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

    async def _keep(self, held: Life) -> AsyncGenerator[None, None]:
        """A loop that ends closes its generators first, and so this connection (`asyncio.run` for each request)."""
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
    """One `with` or `async with`. `lost`: afterwards, whether the connection was lost in it."""

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
        # A new task (a thread, too, in places) has a copy of its maker's context, and so its maker's use.
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
