import asyncio
from collections.abc import Awaitable, Callable

import pytest

from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer, Idempotency


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Counts how often it ran; `answer` is what it comes to."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.runs = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> Answer:
        self.runs += 1
        await self.go.wait()
        return self.answer


def ask(
    keys: Idempotency, work: Callable[[], Awaitable[Answer]], key: str = "k", body: bytes = b"b", who: str = "p"
) -> Awaitable[Answer]:
    return keys.answer(who, key, body, work, keep_s=10, max_keys=2, max_bytes=100)


DONE = Answer(200, b"done", ran=True)


def test_answered_again_without_running_again() -> None:
    async def main() -> None:
        clock = Clock()
        keys, work = Idempotency(clock), Work(DONE)
        work.go.clear()
        both = asyncio.gather(ask(keys, work), ask(keys, work))
        await asyncio.sleep(0)
        work.go.set()
        assert await both == [DONE, DONE]
        assert work.runs == 1
        with pytest.raises(Failure, match="idempotency_key_reused"):
            await ask(keys, work, body=b"other")
        await ask(keys, work, who="q")
        assert work.runs == 2
        clock.now += 11
        await ask(keys, work, body=b"other")
        assert work.runs == 3

    asyncio.run(main())


def test_a_caller_that_goes_does_not_stop_it() -> None:
    async def main() -> None:
        keys, work = Idempotency(Clock()), Work(DONE)
        work.go.clear()
        first = asyncio.ensure_future(ask(keys, work))
        await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert await ask(keys, work) == DONE
        assert work.runs == 1

    asyncio.run(main())


def test_what_has_not_run_may_run() -> None:
    async def main() -> None:
        keys, work = Idempotency(Clock()), Work(Answer(503, b"", ran=False))
        assert (await ask(keys, work)).status == 503
        work.answer = DONE
        assert await ask(keys, work) == DONE
        assert work.runs == 2

    asyncio.run(main())


def test_bounds() -> None:
    """A key is never forgotten before its time: its retry would run."""

    async def main() -> None:
        clock = Clock()
        keys, work = Idempotency(clock), Work(Answer(200, b"x" * 80, ran=True))
        first = await ask(keys, work, "1")
        assert (await ask(keys, work, "2")).status == 200
        with pytest.raises(Failure, match="result_not_kept"):  # it ran, and its answer had no room
            await ask(keys, work, "2")
        with pytest.raises(Failure, match="too_many_keys"):
            await ask(keys, work, "3")
        assert await ask(keys, work, "1") == first
        clock.now += 11
        assert (await ask(keys, work, "3")).status == 200
        assert work.runs == 3

    asyncio.run(main())
