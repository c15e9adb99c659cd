"""Upstash's REST API: commands, pipelines, transactions and subscriptions, for principals with a token.

A request is a client of the node's Redis entry: it shares connections, waits in the queue and counts like any other.
Nothing of it is left in a session when it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway import work
from outlive.gateway.answering import Answering, Worker
from outlive.gateway.endpoint import Post
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.gateway.redis_rights import Refused, check, check_subscription
from outlive.gateway.redis_work import failure_of, within
from outlive.gateway.upstash import replies, requests
from outlive.gateway.upstash.subscription import Subscription
from outlive.proxy.redis.in_process import InProcessRedis, NotRun
from outlive.proxy.redis.services import RedisServices
from outlive.wire.redis.values import RedisError

_SYNC: Final = "upstash-sync-token"
_SYNC_CHARACTERS: Final = 1024
_OTHERS: Final = frozenset(("v1", "docs", "healthz", "readyz", "metrics", "openapi.json", "favicon.ico"))
"""First parts of paths that are no commands, whoever answers them."""


class Upstash:
    """Of one node with a Redis entry."""

    def __init__(self, answering: Answering, services: RedisServices) -> None:
        self._answering = answering
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener: what clients send most, which goes straight there (see `Post`)."""
        return [
            Route("/", self._post(self._one)),
            Route("/pipeline", self._post(self._pipeline)),
            Route("/multi-exec", self._post(self._transaction)),
        ]

    def paths(self) -> list[BaseRoute]:
        """For the HTTP listener, behind those of all other APIs: a path may be a command."""
        guarded, path = self._guarded, "/{command:path}"
        return [
            _OnlyWithRedis(self._services, "/subscribe/{channels:path}", guarded(self._subscribe), methods=_METHODS),
            _OnlyWithRedis(self._services, "/psubscribe/{channels:path}", guarded(self._subscribe), methods=_METHODS),
            _OnlyWithRedis(self._services, path, guarded(self._of_path), methods=_METHODS),
        ]

    def _post(self, endpoint: Callable[[Request, str, Principal], Awaitable[Any]]) -> Post:
        guarded = self._guarded(endpoint)

        async def answer(request: Request) -> Any:
            if not self._services.routes.by_name:  # a reload may bring a Redis entry
                return PlainTextResponse("Not Found", 404)
            return await guarded(request)

        return Post(answer)

    def _guarded(self, endpoint: Callable[[Request, str, Principal], Awaitable[Any]]) -> Any:
        return self._answering.guarded(endpoint, told, (self._by_token,))

    async def _by_token(self, config: Config, request: Request) -> tuple[str, Principal] | None:
        """A `Way` (see `principals.py`): the API key in the query, where no header brings one."""
        token = None if "authorization" in request.headers else requests.token_of(request.scope["query_string"])
        return None if token is None else self._answering.principals.of_key(config, token)

    # -- the endpoints -----------------------------------------------------------------------------

    async def _one(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        return await self._command(request, name, principal, requests.one(body), body)

    async def _of_path(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        words = requests.of_path(request.scope["raw_path"], request.scope["query_string"], body)
        return await self._command(request, name, principal, words, b"\0".join(words))

    async def _command(
        self, request: Request, name: str, principal: Principal, words: list[bytes], body: bytes
    ) -> Response:
        self._check(name, principal, words)
        base64 = _wants_base64(request)

        async def run(redis: InProcessRedis) -> bytes:
            try:
                return replies.result(await redis.run(*words), base64=base64)
            except RedisError as error:
                raise failure_of(error) from None

        return await self._answered(request, name, principal, body, run)

    async def _pipeline(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        commands = requests.several(body)
        refused: dict[int, RedisError] = {}
        for index, words in enumerate(commands):
            try:
                self._check(name, principal, words)
            except Failure as failure:
                refused[index] = RedisError(failure.message.encode())
        base64 = _wants_base64(request)

        async def run(redis: InProcessRedis) -> bytes:
            passed = [words for index, words in enumerate(commands) if index not in refused]
            try:
                found = iter(await redis.pipeline(passed))
            except RedisError as error:
                raise failure_of(error) from None
            answers = [refused.get(index) or next(found) for index in range(len(commands))]
            if all(isinstance(answer, NotRun) for answer in answers):
                raise failure_of(answers[0])
            return replies.results(answers, base64=base64)

        return await self._answered(request, name, principal, body, run)

    async def _transaction(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        commands = requests.several(body)
        for words in commands:
            self._check(name, principal, words)
        base64 = _wants_base64(request)

        async def run(redis: InProcessRedis) -> bytes:
            try:
                answers = await redis.transaction(commands)
            except RedisError as error:
                raise failure_of(error) from None
            return replies.results(answers or (), base64=base64)

        return await self._answered(request, name, principal, body, run)

    async def _subscribe(self, request: Request, name: str, principal: Principal) -> Any:
        command, *channels = requests.subscription_of(request.scope["raw_path"])
        self._reached(name, principal)
        try:
            check_subscription(name, principal, command, channels)
        except Refused as refused:
            raise Failure(403, "forbidden", refused.text) from None
        headers = [(key.encode(), value.encode("latin-1")) for key, value in _sync_token(request).items()]
        place = self._answering.principals.place(name, principal)
        return Subscription(self._open, command, channels, place, _told_either, headers)

    # -- between them and the client of the wire ---------------------------------------------------

    def _check(self, name: str, principal: Principal, words: Sequence[bytes]) -> None:
        """Raises Failure."""
        try:
            check(name, principal, words)
        except Refused as refused:
            raise Failure(403 if refused.forbidden else 400, "forbidden", refused.text) from None

    def _reached(self, name: str, principal: Principal) -> None:
        """Raises Failure where the principal may not use the Redis of this node."""
        if self._services.routes.default.name not in principal.databases:
            raise Failure(403, "forbidden", f"NOPERM {name} may not use this database")

    def _open(self) -> InProcessRedis:
        return InProcessRedis(self._services, max_bytes=self._answering.config().http.response_max_bytes)

    async def _answered(
        self,
        request: Request,
        name: str,
        principal: Principal,
        body: bytes,
        run: Callable[[InProcessRedis], Awaitable[bytes]],
    ) -> Response:
        self._reached(name, principal)
        key = request.headers.get("idempotency-key")
        work_off = self._worker(name, principal, run)
        response = await self._answering.answered(request, name, body, work_off, told, key)
        response.headers.update(_sync_token(request))
        return response

    def _worker(self, name: str, principal: Principal, run: Callable[[InProcessRedis], Awaitable[bytes]]) -> Worker:
        async def worker(_: work.Job) -> bytes:
            with self._answering.principals.place(name, principal):
                return await within(principal.max_time_s, self._open, run)

        return worker


_METHODS: Final = ["GET", "POST", "PUT"]  # and HEAD, which starlette adds


class _OnlyWithRedis(Route):
    """A route that is there while the node has a Redis entry, and not for paths of others."""

    def __init__(self, services: RedisServices, path: str, endpoint: Any, *, methods: Sequence[str]) -> None:
        Route.__init__(self, path, endpoint, methods=methods)
        self._services = services

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See starlette."""
        if not self._services.routes.by_name or scope["type"] != "http":
            return Match.NONE, {}
        if scope["path"].lstrip("/").split("/", 1)[0] in _OTHERS:
            return Match.NONE, {}
        return Route.matches(self, scope)


def _wants_base64(request: Request) -> bool:
    return request.headers.get("upstash-encoding", "").lower() == "base64"


def _sync_token(request: Request) -> dict[str, str]:
    """There is one primary, which has every write that was answered: the caller's own token says as much."""
    token = request.headers.get(_SYNC, "")
    return {_SYNC: token} if 0 < len(token) <= _SYNC_CHARACTERS and token.isprintable() else {}


def told(failure: Failure) -> Answer:
    """Upstash's JSON of a failure."""
    headers = []
    if failure.retry_after_s is not None:
        headers.append(("Retry-After", str(failure.retry_after_s)))
    if failure.status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    body = msgspec.json.encode({"error": failure.message})
    return Answer(failure.status, body, failure.outcome != "not_run", tuple(headers))


def _told_either(error: RedisError | Failure) -> Answer:
    return told(failure_of(error) if isinstance(error, RedisError) else error)
