"""What a request does ends with it, whoever ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from outlive.gateway.answering import Answering
from outlive.gateway.api import told
from outlive.gateway.conversation import Conversation
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.gateway.work import Job


class Caller:
    """One that stays until it is told to go."""

    def __init__(self) -> None:
        self.has_left = False
        self.told: Callable[[], None] | None = None

    def watch(self, leave: Callable[[], None]) -> bool:
        self.told = leave
        return not self.has_left

    def unwatch(self) -> None:
        self.told = None

    def leave(self) -> None:
        self.has_left = True
        if self.told is not None:
            self.told()


class Talk:
    """A conversation of which a statement runs, until it is cancelled or ended."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.over = asyncio.Event()

    def stop(self) -> None:
        self.said.append("stop")
        self.over.set()

    def close(self) -> None:
        self.said.append("close")


def attended(caller: Caller, run: Callable[[Job], Awaitable[bytes]]) -> "asyncio.Task[Answer]":
    request: Any = type("Request", (), {"scope": {"outlive.connection": caller}})
    return asyncio.ensure_future(Answering.__new__(Answering).attended(request, run, told))


async def all_is_over() -> None:
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)


def test_a_request_that_is_cancelled_takes_its_work_along() -> None:
    async def scene() -> None:
        caller, talk, begun = Caller(), Talk(), asyncio.Event()

        async def run(job: Job) -> bytes:
            found: Any = talk
            conversation: Conversation = found
            job.conversation = conversation
            begun.set()
            await asyncio.Event().wait()
            return b""

        task = attended(caller, run)
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await all_is_over()
        assert talk.said == ["close"]
        assert caller.told is None

    asyncio.run(scene())


def test_a_caller_who_goes_before_anything_began() -> None:
    async def scene() -> None:
        caller, begun, ended = Caller(), asyncio.Event(), False

        async def run(job: Job) -> bytes:
            nonlocal ended
            begun.set()
            try:
                await asyncio.Event().wait()  # for a connection
            finally:
                ended = job.gone
            return b""

        task = attended(caller, run)
        await begun.wait()
        caller.leave()
        answer = await task
        assert (answer.status, answer.ran, ended) == (499, False, True)
        assert task.cancelling() == 0
        assert (await attended(caller, run)).status == 499  # gone before its request was looked at
        await all_is_over()

    asyncio.run(scene())


def test_a_caller_who_goes_in_the_middle_of_a_statement() -> None:
    """It is cancelled at the database, and what that came to is awaited: a lease is never left half used."""

    async def scene() -> None:
        caller, talk, begun = Caller(), Talk(), asyncio.Event()

        async def run(job: Job) -> bytes:
            found: Any = talk
            job.conversation = found
            begun.set()
            await talk.over.wait()
            raise Failure(400, "database_error", "cancelled", outcome="failed")

        task = attended(caller, run)
        await begun.wait()
        caller.leave()
        answer = await task
        assert (answer.status, answer.ran, talk.said) == (400, True, ["stop"])

    asyncio.run(scene())
