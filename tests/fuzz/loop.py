"""An event loop without sockets, whose clock stands still until it is told to go on."""

import asyncio
from asyncio import events
from collections.abc import Callable
from typing import Any


class _NoSelector:
    def select(self, timeout: float | None) -> list[Any]:
        return []

    def close(self) -> None:
        """Nothing is open."""


class StillLoop(asyncio.BaseEventLoop):
    """`settle` runs what is ready, `advance` lets time pass. What a callback raises is kept in `errors`."""

    def __init__(self, connect: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._clock = 1000.0
        self._connect = connect
        self.errors: list[str] = []
        self.set_exception_handler(self._note)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def time(self) -> float:
        return self._clock

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    async def create_connection(self, protocol_factory: Callable[[], Any], *where: Any, **options: Any) -> Any:
        return self._connect(protocol_factory)

    def enter(self) -> None:
        """From here on this is the running loop, until `leave`."""
        events._set_running_loop(self)

    def leave(self) -> None:
        events._set_running_loop(None)
        self.close()

    def settle(self, turns: int = 10_000) -> None:
        """Runs until nothing is ready; AssertionError where that never comes."""
        while self._ready:  # type: ignore[attr-defined]
            turns -= 1
            assert turns > 0, "the loop does not come to rest"
            self._run_once()  # type: ignore[attr-defined]

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass, with whatever falls due in them."""
        until = self._clock + seconds
        self.settle()
        while True:
            due = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            following = min(due, default=until)
            if following >= until:
                break
            self._clock = max(self._clock, following)
            self._run_once()  # type: ignore[attr-defined]
            self.settle()
        self._clock = until
        self._run_once()  # type: ignore[attr-defined]
        self.settle()
