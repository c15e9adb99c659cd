"""The decorator of functions, blocking and `async`."""

from __future__ import annotations

from contextlib import nullcontext
from functools import update_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# inspect's CO_COROUTINE, CO_GENERATOR and CO_ASYNC_GENERATOR.
_COROUTINE, _GENERATORS = 0x80, 0x220


def decorated(database: Any, name: str, function: Any, *, repeat: bool) -> Any:
    """`function` with a connection as keyword argument `name`; run again, where `repeat`, when that was lost."""
    kind = getattr(getattr(getattr(function, "func", function), "__code__", None), "co_flags", 0)  # also of a partial
    if kind & _GENERATORS:
        raise TypeError("in a generator, use connection(): it says for how long")

    def use(args: tuple[Any, ...], more: dict[str, Any]) -> Any:
        if name in more:
            return nullcontext(more[name])
        contexts = [one for one in (*args, *more.values()) if hasattr(one, "get_remaining_time_in_millis")]
        return database.connection(*contexts[:1])

    def call(*args: Any, **more: Any) -> Any:
        for again in (repeat, False):
            used = use(args, more)
            try:
                with used as connection:
                    return function(*args, **{**more, name: connection})
            except Exception:
                if not (again and getattr(used, "lost", False)):
                    raise
            database.count("repeats")
        return None

    async def call_async(*args: Any, **more: Any) -> Any:
        for again in (repeat, False):
            used = use(args, more)
            try:
                async with used as connection:
                    return await function(*args, **{**more, name: connection})
            except Exception:
                if not (again and getattr(used, "lost", False)):
                    raise
            database.count("repeats")
        return None

    return update_wrapper(call_async if kind & _COROUTINE else call, function)
