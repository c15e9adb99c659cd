"""The process that parses: started when it is needed, ended where a text takes too long, and started again."""

import asyncio
import os

import pytest

from outlive.gateway.failure import Failure
from outlive.gateway.rules import parsing
from outlive.gateway.rules.facts import Facts, Unreadable
from outlive.gateway.rules.parsing import TOO_LONG, Parsing


def test_a_process_that_is_late_or_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        process = Parsing()
        answers = await asyncio.gather(*[process.read("postgres", "SELECT id FROM users", 10.0) for _ in range(5)])
        assert all(isinstance(answer, Facts) for answer in answers)
        first = process._process
        assert first is not None
        slow = "SELECT " + " + ".join(["a"] * 20_000)
        late = await process.read("postgres", slow, 0.001)
        assert late == Unreadable(TOO_LONG, "it takes too long")
        await first.wait()
        leaver = asyncio.ensure_future(process.read("mysql", "SELECT 1", 10.0))
        await asyncio.sleep(0)
        leaver.cancel()  # whoever asked is gone: the answer is not left to the next one
        other = await process.read("mysql", "SELECT id FROM users", 10.0)
        assert isinstance(other, Facts)
        assert other.tables == {("users", "select")}
        second = process._process
        assert second is not None
        assert second is not first
        second.kill()
        await second.wait()
        assert isinstance(await process.read("mysql", "SELECT 2", 10.0), Facts)
        last = process._process
        assert last is not None
        assert last.stdin is not None
        last.stdin.close()
        assert await last.wait() == 0  # it ends with its input, and so with the node
        assert not _runs(last.pid)
        monkeypatch.setattr(parsing, "WAITING_MAX", 0)
        with pytest.raises(Failure) as raised:
            await process.read("mysql", "SELECT 3", 10.0)
        assert (raised.value.status, raised.value.code) == (503, "rules_busy")

    asyncio.run(run())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
