"""Between a request over HTTP and its work: who asks, its body, its Idempotency-Key, and whether its caller stays.

What every API of a node shares stands here; each API says how it tells a failure.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway import work
from outlive.gateway.connection import caller_of
from outlive.gateway.databases import Databases
from outlive.gateway.durable import Once
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer, Idempotency
from outlive.gateway.jwt import Tokens
from outlive.gateway.keeping import Keeping
from outlive.gateway.principals import Principals, Way
from outlive.gateway.rules.guard import Guard
from outlive.gateway.transactions import Transactions
from outlive.observe.log import fields
from outlive.observe.metrics import Tally
from outlive.proxy.wire import Wire

log = logging.getLogger("outlive.gateway")

_CRASHED: Final = Failure(
    400, "internal_error", "Outlive failed; the statement may or may not have taken effect.", outcome="unknown"
)
_GONE: Final = Answer(499, b"", ran=False)
Worker = Callable[[work.Job], Awaitable[bytes]]
Tell = Callable[[Failure], Answer]


class Answering:
    """Of one node. `config` gives the configuration at hand."""

    def __init__(self, config: Callable[[], Config], wires: Sequence[Wire]) -> None:
        self.config = config
        refused = wires[0].services.metrics.rules_refused if wires else Tally()
        self.databases = Databases(wires, Guard(config, refused))
        self.principals = Principals()
        self.principals.ways.append(Tokens().way)
        self.transactions = Transactions(config().node, self.principals.leave)
        self._idempotency = Idempotency(asyncio.get_running_loop().time)
        self._keeping = Keeping()

    def guarded(
        self, endpoint: Callable[[Request, str, Principal], Awaitable[Any]], tell: Tell, ways: Sequence[Way] = ()
    ) -> Callable[[Request], Awaitable[Any]]:
        """An endpoint for principals: it gets the request, the principal's name and rights. `ways` are its API's own
        (see `principals.py`).
        """

        async def guarded(request: Request) -> Any:
            try:
                name, principal = await self.principals.identify(self.config(), request, ways)
                return await endpoint(request, name, principal)
            except Failure as failure:
                return response(tell(failure))
            except ClientDisconnect:
                return Response(status_code=499)

        return guarded

    async def body(self, request: Request) -> bytes:
        """All of it, also when it is asked for again. Raises Failure where it is longer than it may be."""
        read: bytes | None = getattr(request.state, "read", None)
        if read is not None:
            return read
        most = self.config().http.request_max_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Failure(413, "request_too_large", f"The request is longer than request_max_bytes ({most}).")
        request.state.read = bytes(body)
        return bytes(body)

    async def answered(
        self,
        request: Request,
        name: str,
        body: bytes,
        run: Worker,
        tell: Tell,
        key: str | None,
        keep_s: float = math.inf,
    ) -> Response:
        """Runs it: with a `key` once, to its end; else for as long as the caller is there. `keep_s` is how long at most
        the caller may come back with its key, where its API knows. Raises Failure.
        """
        if key is None:
            return response(await self.attended(request, run, tell))
        http = self.config().http
        what = request.url.path.encode() + b"\0" + body

        async def first() -> Answer:
            if http.idempotency == "memory":
                return await self.safely(run(work.Job()), tell)
            once = Once(http, name, key, what)
            answer = await self.safely(self._keeping.run(once, run), tell)
            return answer._replace(ran=False) if once.used else answer  # it is in the database, for all nodes

        return response(
            await self._idempotency.answer(
                name,
                key,
                what,
                first,
                keep_s=min(keep_s, http.idempotency_keep_s),
                max_keys=http.idempotency_max_keys,
                max_bytes=http.idempotency_max_bytes,
            )
        )

    async def attended(self, request: Request, run: Worker, tell: Tell) -> Answer:
        """Runs while the caller is there."""
        job = work.Job()
        task = asyncio.current_task()
        assert task is not None

        def leave() -> None:
            if not job.stop():
                task.cancel()

        caller = caller_of(request.scope)
        try:
            if not caller.watch(leave):
                return _GONE
            return await self.safely(run(job), tell)
        except asyncio.CancelledError:
            if job.gone:
                task.uncancel()
                return _GONE
            if job.conversation is not None:  # this request itself was cancelled: its lease must not outlast it
                job.conversation.close()
            raise
        finally:
            caller.unwatch()

    async def safely(self, working: Awaitable[bytes], tell: Tell) -> Answer:
        """What came of it, a failure as `tell` has it."""
        try:
            return Answer(200, await working, ran=True)
        except Failure as failure:
            return tell(failure)
        except Exception as error:  # a bug: told with its place, never with a text that may quote a value
            places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            log.error("internal error", extra=fields(kind=type(error).__name__, places=" ".join(places)))
            return tell(_CRASHED)


def response(answer: Answer) -> Response:
    """For starlette."""
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)
