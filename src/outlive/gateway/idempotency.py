"""Requests that may be sent again: the answer to an Idempotency-Key is kept, and nothing runs a second time for it.

In memory: a restart forgets all of it, and other nodes know nothing of it. No key is forgotten before its time to make
room, because its retry would run: where there is no room, a new key is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final, NamedTuple

from outlive.gateway.failure import Failure

KEY_CHARACTERS: Final = 255
_LOOKED_AT: Final = 16


class Answer(NamedTuple):
    """A response. `ran` is False where nothing has run: then it is not kept."""

    status: int
    body: bytes
    ran: bool
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"


class _Kept:
    __slots__ = ("answer", "bytes", "digest", "expires_at")

    def __init__(self, digest: bytes, answer: asyncio.Task[Answer]) -> None:
        self.digest = digest
        self.answer = answer
        self.expires_at = 0.0
        self.bytes = 0


class Idempotency:
    """The keys of a node."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._bytes = 0

    async def answer(
        self,
        principal: str,
        key: str,
        body: bytes,
        run: Callable[[], Awaitable[Answer]],
        *,
        keep_s: float,
        max_keys: int,
        max_bytes: int,
    ) -> Answer:
        """`run`'s answer, or the one there is; a retry waits for the first. Raises Failure.

        The first runs to its end whether or not its caller is still there.
        """
        if not 0 < len(key) <= KEY_CHARACTERS:
            raise Failure(400, "bad_request", f"An Idempotency-Key has 1 to {KEY_CHARACTERS} characters.")
        self._forget()
        name, digest = (principal, key), hashlib.sha256(body).digest()
        found = self._kept.get(name)
        if found is None:
            if len(self._kept) >= max_keys:
                self._forget(all=True)
            if len(self._kept) >= max_keys:
                raise Failure(503, "too_many_keys", f"idempotency_max_keys ({max_keys}) keys are kept already.")
            task = asyncio.ensure_future(self._first(name, run, keep_s, max_bytes))
            found = self._kept[name] = _Kept(digest, task)
        elif found.digest != digest:
            raise Failure(422, "idempotency_key_reused", "This Idempotency-Key came with another request before.")
        return await asyncio.shield(found.answer)

    async def _first(
        self, name: tuple[str, str], run: Callable[[], Awaitable[Answer]], keep_s: float, max_bytes: int
    ) -> Answer:
        try:
            answer = await run()
        except BaseException:
            self._kept[name].expires_at = self._time() + keep_s  # it may have run: the key stays taken
            raise
        if not answer.ran:
            del self._kept[name]
            return answer
        kept = self._kept[name]
        kept.expires_at = self._time() + keep_s
        if self._bytes + len(answer.body) > max_bytes:
            kept.answer = asyncio.ensure_future(_too_large())
        else:
            kept.bytes = len(answer.body)
            self._bytes += kept.bytes
        return answer

    def _forget(self, *, all: bool = False) -> None:
        """They expire in about the order in which they came, so looking at the first is enough."""
        now = self._time()
        for name in list(islice(self._kept, None if all else _LOOKED_AT)):
            kept = self._kept[name]
            if kept.expires_at and kept.expires_at <= now:
                self._bytes -= kept.bytes
                del self._kept[name]


async def _too_large() -> Answer:
    raise Failure(
        409,
        "result_not_kept",
        "The request ran, and its answer was too large to be kept: see idempotency_max_bytes.",
        outcome="done",
    )
