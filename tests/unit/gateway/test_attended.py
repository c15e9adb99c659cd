"""What a request does ends with it, whoever ends it."""

import asyncio
from typing import Any

import pytest

from outlive.gateway.answering import Answering
from outlive.gateway.api import told
from outlive.gateway.work import Job


class Request:
    """One whose caller stays, and says nothing more."""

    async def receive(self) -> Any:
        await asyncio.Event().wait()


def test_a_request_that_is_cancelled_takes_its_work_along() -> None:
    ended: list[bool] = []

    async def scene() -> None:
        begun = asyncio.Event()

        async def run(job: Job) -> bytes:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(job.gone)
            return b""

        request: Any = Request()
        task = asyncio.ensure_future(Answering.__new__(Answering).attended(request, run, told))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
        assert ended == [True]

    asyncio.run(scene())
