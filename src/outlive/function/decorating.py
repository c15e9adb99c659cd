"""The decorator of functions and generators, blocking and `async`."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial, update_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# inspect.CO_GENERATOR and so on: inspect takes longer to import than all of this.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def decorated(database: Any, name: str, function: Callable[..., Any], *, repeat: bool) -> Callable[..., Any]:
    """`function` with a connection as its keyword argument `name`; where `repeat`, run again when that was lost."""
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    kind = inner.__code__.co_flags if hasattr(inner, "__code__") else 0

    def use(args: tuple[Any, ...], more: dict[str, Any]) -> Any:
        if name in more:
            return nullcontext(more[name])
        values = (*args, *more.values())
        return database.connection(next((one for one in values if hasattr(one, "get_remaining_time_in_millis")), None))

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

    def generate(*args: Any, **more: Any) -> Any:
        with use(args, more) as connection:
            return (yield from function(*args, **{**more, name: connection}))

    async def generate_async(*args: Any, **more: Any) -> Any:
        async with use(args, more) as connection:
            items = function(*args, **{**more, name: connection})
            try:
                async for item in items:
                    yield item
            finally:
                await items.aclose()

    chosen: Callable[..., Any] = call
    if kind & (_GENERATOR | _ASYNC_GENERATOR):
        if repeat:
            raise TypeError("a generator cannot run twice: what it gave is not taken back")
        chosen = generate if kind & _GENERATOR else generate_async
    elif kind & _COROUTINE:
        chosen = call_async
    return update_wrapper(chosen, function)

