"""What a request has done at Redis: commands, one by one or as a transaction, within a time. No HTTP is in here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Final, TypeVar

from outlive.gateway.failure import Failure
from outlive.proxy.redis.in_process import InProcessRedis, Lost, NotRun, TooLarge
from outlive.wire.redis.values import RedisError

ERROR_CHARACTERS: Final = 4096
T = TypeVar("T")
_TURNED_AWAY: Final = 503


async def within(
    seconds: float, open: Callable[[], InProcessRedis], run: Callable[[InProcessRedis], Awaitable[T]]
) -> T:
    """What `run` makes of a client of its own. Raises Failure, also where it takes longer than `seconds`."""
    try:
        with closing(open()) as redis:
            try:
                async with asyncio.timeout(seconds):
                    return await run(redis)
            except TimeoutError:
                failure = _timed_out(seconds, has_begun=redis.has_begun)
            except RedisError as error:
                failure = failure_of(error)
            except Failure as told:
                failure = told
            if failure.status == _TURNED_AWAY and redis.client.route.is_away:
                failure.code = "database_unavailable"
            raise failure from None
    except NotRun as error:  # the node is being stopped
        raise failure_of(error) from None


def _timed_out(seconds: float, *, has_begun: bool) -> Failure:
    if not has_begun:
        return Failure(503, "pool_full", f"ERR Outlive: no connection was to be had within max_time_s ({seconds:g})")
    text = f"ERR Outlive: no reply within max_time_s ({seconds:g}); the command may or may not have taken effect"
    return Failure(400, "statement_timeout", text, outcome="unknown")


def failure_of(error: RedisError) -> Failure:
    """An error as it is told: what never ran is 503, all else is 400, so that nobody sends it again by itself."""
    text = text_of(error)
    if isinstance(error, NotRun):
        return Failure(503, "pool_full", text)
    if isinstance(error, Lost):
        return Failure(400, "connection_lost", text, outcome="unknown")
    if isinstance(error, TooLarge):
        return Failure(400, "result_too_large", text, outcome="done")
    return Failure(400, "database_error", text, outcome="failed", details={"error_code": _code(error)})


def text_of(error: RedisError) -> str:
    """An error's words."""
    return error.text.decode("utf-8", "replace")[:ERROR_CHARACTERS]


def _code(error: RedisError) -> str:
    """Its first word, as programs compare it: WRONGTYPE, OOM, ERR."""
    return error.code.decode("utf-8", "replace")[:64]
