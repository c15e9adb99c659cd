"""Runs requests whose Idempotency-Key is in the database, and now and then deletes keys whose time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from outlive.gateway import work
from outlive.gateway.conversation import Conversation
from outlive.gateway.durable import Once, Stored
from outlive.gateway.failure import Failure
from outlive.observe.log import fields

log = logging.getLogger("outlive.gateway")

FORGET_EVERY_S: Final = 60.0


class Keeping:
    """Of one node."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._forget_at: dict[str, float] = {}
        """By the name of the database."""
        self._forgetting: set[asyncio.Task[None]] = set()

    async def run(self, once: Once, run: Callable[[work.Job], Awaitable[bytes]]) -> bytes:
        """The answer, committed with what it answers; or the one there is. Raises Failure."""
        try:
            body = await run(work.Job(once))
            conversation = once.conversation
            if conversation is None:
                return body
            await once.keep(body)
            await work.commit(conversation)
            if self._is_due(conversation):
                # Its connection is of use once more, and nobody waits for it.
                once.conversation = None
                task = self._loop.create_task(self._forget(once, conversation))
                self._forgetting.add(task)
                task.add_done_callback(self._forgetting.discard)
            return body
        except Stored as stored:
            return stored.body
        finally:
            once.close()

    def _is_due(self, conversation: Conversation) -> bool:
        name, now = conversation.route.name, self._loop.time()
        if now < self._forget_at.get(name, 0.0):
            return False
        self._forget_at[name] = now + FORGET_EVERY_S
        return True

    async def _forget(self, once: Once, conversation: Conversation) -> None:
        try:
            if await once.forget(conversation):
                self._forget_at.pop(conversation.route.name, None)  # there are more: with the next key
        except Failure as failure:
            log.warning("old keys not deleted", extra=fields(database=conversation.route.name, reason=failure.code))
        finally:
            conversation.close()
