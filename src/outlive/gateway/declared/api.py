"""Declared operations over HTTP. docs/operations.md tells it to those who declare and who call them."""

from __future__ import annotations

import asyncio
from typing import Any, Final, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive import __version__
from outlive.config.http import Principal
from outlive.config.inputs import PREFIX
from outlive.config.model import Config
from outlive.config.operation_rules import EVERYBODY, RESERVED
from outlive.config.operations import Method, Operation
from outlive.gateway import work
from outlive.gateway.answering import Answering, response
from outlive.gateway.api import told
from outlive.gateway.declared.cache import Cache
from outlive.gateway.declared.description import Descriptions
from outlive.gateway.declared.openapi import openapi
from outlive.gateway.declared.requests import values_of
from outlive.gateway.declared.table import Declaration, MethodNotAllowed, Table
from outlive.gateway.endpoint import Endpoint
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer

METHODS: Final = get_args(Method)


class Declared:
    """Of one node."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._clock = asyncio.get_running_loop().time
        self._config: Config | None = None
        self._table = Table(Config(), Cache(self._clock))
        self._descriptions = Descriptions(answering.databases, self._clock)

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""
        guarded = self._answering.guarded(self._called, told)
        return [Route(PREFIX + "{path:path}", Endpoint(guarded, self._answering.config, METHODS))]

    def _now(self) -> Table:
        """The operations of the configuration at hand."""
        config = self._answering.config()
        if config is not self._config:
            self._config = config
            self._table = Table(config, Cache(self._clock))
            self._descriptions.forget()
        return self._table

    async def _called(self, request: Request, name: str, principal: Principal) -> Response:
        table = self._now()
        path = request.scope.get("raw_path") or request.url.path.encode()
        if request.method == "GET" and path == RESERVED.encode():
            return await self._describe(table, name, principal)
        try:
            declaration, values = table.find(request.method, path)
        except MethodNotAllowed as failure:
            allow = (("Allow", ", ".join(failure.allowed)),)
            return response(told(failure)._replace(headers=allow))
        if not may_call(name, declaration.operation):
            raise Failure(403, "forbidden", f"{name} may not call this operation.")
        query = request.scope["query_string"]
        body = await self._answering.body(request)
        given = values_of(declaration.inputs, values, query, body)
        return await self._run(table, request, name, principal, declaration, given)

    async def _run(
        self,
        table: Table,
        request: Request,
        name: str,
        principal: Principal,
        declaration: Declaration,
        values: dict[str, Any],
    ) -> Response:
        operation = declaration.operation
        http = self._answering.config().http

        async def run(job: work.Job) -> bytes:
            with self._answering.principals.place(name, principal):
                return await declaration.work.run(job, self._answering.databases, principal, http, values)

        if operation.method != "GET":
            key = request.headers.get("idempotency-key")
            what = b"%b %b\0%b" % (
                request.method.encode(),
                request.scope["query_string"],
                await self._answering.body(request),
            )
            return await self._answering.answered(request, name, what, run, told, key)
        if not operation.cache_s:
            return response(await self._answering.attended(request, run, told))

        async def once() -> Answer:
            return await self._answering.safely(run(work.Job()), told)

        difference = declaration.work.difference(principal)
        asked = (operation.name, difference, msgspec.json.encode(values, order="sorted"))
        answer, age = await table.cache.answer(asked, operation.cache_s, http.operations_cache_bytes, once)
        if answer.status != 200:
            return response(answer)
        # A caller's own cache takes the age into account (RFC 9111, 4.2): both together keep it for no longer.
        headers = (("Cache-Control", f"private, max-age={int(operation.cache_s)}"), ("Age", str(age)))
        return response(answer._replace(headers=headers))

    async def _describe(self, table: Table, name: str, principal: Principal) -> Response:
        mine = {key: found for key, found in table.all.items() if may_call(name, found.operation)}
        with self._answering.principals.place(name, principal):
            said = await self._descriptions.of(mine)
        return Response(msgspec.json.encode(openapi(__version__, mine, said)), media_type="application/json")


def may_call(name: str, operation: Operation) -> bool:
    """Whether the principal may."""
    return name in operation.principals or EVERYBODY in operation.principals
