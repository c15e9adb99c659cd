"""Wait and release over HTTP: `/v1/locks/{key}`. docs/locks.md tells it to its callers.

A wait is a long poll, or a stream of events. It takes no place among the requests to databases: it has a limit of its
own, and costs the task that serves any request and one small object.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive.config.http import Principal
from outlive.config.locks import may_use
from outlive.gateway.answering import Answering, response
from outlive.gateway.api import told
from outlive.gateway.connection import caller_of
from outlive.gateway.endpoint import Endpoint
from outlive.gateway.failure import Failure, bad_request
from outlive.gateway.requests import read
from outlive.locks import answers
from outlive.locks.events import Events
from outlive.locks.requests import (
    ID,
    KEY_CHARACTERS,
    AckRequest,
    ReleaseRequest,
    RenewRequest,
    WaitRequest,
    check_release,
    check_wait,
    payload_of,
)
from outlive.locks.service import Granted, Service, Waiting, salt
from outlive.locks.state import Ack, Leave, Look, Outcome, Renew, Signal, Step, Unlock, Wait
from outlive.locks.store import StoreFailure

_US_A_MS = 1000
_EVENTS = "text/event-stream"
T = TypeVar("T")
GONE = object()
"""What a waiter is told whose caller has left."""


class LocksApi:
    """Of one node. `service` makes the service at the first request, None where locks are off."""

    def __init__(self, answering: Answering, service: Callable[[], Service | None]) -> None:
        self._answering = answering
        self._config = answering.config
        self._make = service
        self._made: Service | None = None

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""

        def route(
            path: str, endpoint: Callable[[Request, str, Service], Awaitable[Any]], method: str = "POST"
        ) -> Route:
            async def allowed(request: Request, name: str, principal: Principal) -> Any:
                key = self._key(request, name, principal)
                return await endpoint(request, key, self._service())

            return Route(path, Endpoint(self._answering.guarded(allowed, told), self._config, (method,)))

        return [
            route("/v1/locks/{key}/wait", self._wait),
            route("/v1/locks/{key}/release", self._release),
            route("/v1/locks/{key}/ack", self._ack),
            route("/v1/locks/{key}/renew", self._renew),
            route("/v1/locks/{key}/waiters/{id}", self._remove, "DELETE"),
            route("/v1/locks/{key}", self._look, "GET"),
        ]

    def _service(self) -> Service:
        if self._made is None:
            self._made = self._make()
            if self._made is None:
                raise answers.LOCKS_OFF
        return self._made

    def _key(self, request: Request, name: str, principal: Principal) -> str:
        key: str = request.path_params["key"]
        if not self._config().locks.database:
            raise answers.LOCKS_OFF
        if len(key) > KEY_CHARACTERS or not key.isprintable():
            raise bad_request(f"A lock's key has at most {KEY_CHARACTERS} characters, all of them printable.")
        if not may_use(principal.locks, key):
            raise Failure(403, "forbidden", f"{name} may not use this lock.")
        return key

    async def _asked(self, request: Request, type: type[T]) -> T:
        body = await self._answering.body(request)
        return read(body or b"{}", type)

    # -- wait --------------------------------------------------------------------------------------

    async def _wait(self, request: Request, key: str, service: Service) -> Any:
        asked = await self._asked(request, WaitRequest)
        stream = _EVENTS in request.headers.get("accept", "")
        check_wait(asked, stream=stream)
        most = self._config().locks.max_waiting
        if service.count >= most:
            raise Failure(429, "too_many_waiters", f"max_waiting ({most}) callers wait at this node.")
        step = Wait(
            asked.waiter_id or secrets.token_hex(16),
            asked.mode,
            asked.timeout_ms * _US_A_MS,
            asked.lease_ms * _US_A_MS,
            service.store.node,
            salt(),
            asked.mode == "signal" and asked.waiter_id is None,
        )
        anonymous = asked.waiter_id is None
        if stream:
            return Events(service, key, step, anonymous)
        if service.is_draining():
            return response(answers.answer(202, answers.pending(0), close=True))
        found = service.wait(key, step, anonymous=anonymous)
        return await self._answer(request, service, found)

    async def _answer(self, request: Request, service: Service, found: Waiting) -> Response:
        caller = caller_of(request.scope)
        try:
            said = await found.answer if caller.watch(lambda: found.tell(GONE)) else GONE
        except asyncio.CancelledError:
            service.gone(found)
            raise
        finally:
            caller.unwatch()
        if said is GONE or caller.has_left():
            service.gone(found)
            return Response(status_code=499)
        if isinstance(said, Granted):
            return response(answers.answer(200, answers.granted(said)))
        if said is None:
            position = 0 if found.anonymous else max(found.position, 0)
            return response(answers.answer(202, answers.pending(position), close=service.is_draining()))
        return response(_refused(said))

    # -- the others --------------------------------------------------------------------------------

    async def _perform(self, service: Service, key: str, step: Step) -> Outcome:
        try:
            outcome = await service.perform(key, step)
        except StoreFailure as failure:
            raise answers.away(failure) from None
        answers.refuse(outcome)
        return outcome

    async def _release(self, request: Request, key: str, service: Service) -> Response:
        asked = await self._asked(request, ReleaseRequest)
        check_release(asked)
        step: Step
        if asked.grant_id is not None and asked.fence is not None:
            step = Unlock(asked.grant_id, asked.fence, salt())
        else:
            payload = payload_of(await self._answering.body(request))
            most = self._config().locks.payload_max_bytes
            if len(payload.encode()) > most:
                raise Failure(413, "payload_too_large", f"The payload is longer than payload_max_bytes ({most}).")
            id = asked.release_id or _idempotency_key(request) or secrets.token_hex(16)
            step = Signal(id, payload, asked.ttl_ms * _US_A_MS, salt())
        return response(answers.of_outcome(await self._perform(service, key, step)))

    async def _ack(self, request: Request, key: str, service: Service) -> Response:
        asked = await self._asked(request, AckRequest)
        return response(answers.of_outcome(await self._perform(service, key, Ack(asked.grant_id, salt()))))

    async def _renew(self, request: Request, key: str, service: Service) -> Response:
        asked = await self._asked(request, RenewRequest)
        outcome = await self._perform(service, key, Renew(asked.grant_id, (asked.lease_ms or 0) * _US_A_MS, salt()))
        assert outcome.grant is not None
        # As long as it was asked for: what is left of it by now is for the holder to count, from when it asked.
        left_ms = asked.lease_ms or outcome.grant.lease_us // _US_A_MS
        members = {"status": "renewed", "fence": outcome.fence, "lease_expires_in_ms": left_ms}
        return response(answers.answer(200, members))

    async def _look(self, request: Request, key: str, service: Service) -> Response:
        return response(answers.answer(200, answers.standing(await self._perform(service, key, Look(salt())))))

    async def _remove(self, request: Request, key: str, service: Service) -> Response:
        step = Leave(request.path_params["id"], salt())
        return response(answers.of_outcome(await self._perform(service, key, step)))


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not re.match(ID, key):
        raise bad_request("An Idempotency-Key is ASCII, 1 to 200 characters.")
    return key


def _refused(said: Any) -> Any:
    failure = answers.away(said) if isinstance(said, StoreFailure) else None
    if failure is None:
        try:
            answers.refuse(said)
        except Failure as refusal:
            failure = refusal
    assert failure is not None
    return told(failure)
