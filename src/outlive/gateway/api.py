"""The native API: SQL over stateless HTTP. docs/http.md tells it to its callers.

A request is watched while it works: where its caller goes, its statement is cancelled. One with an Idempotency-Key runs
to its end, and its answer waits for the retry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from outlive import __version__
from outlive.config.http import Principal
from outlive.gateway import docs_page, work
from outlive.gateway.answering import Answering, Worker, response
from outlive.gateway.connection import caller_of
from outlive.gateway.conversation import Done
from outlive.gateway.endpoint import Endpoint
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.gateway.openapi import openapi
from outlive.gateway.principals import SQL_OFF, check_database
from outlive.gateway.requests import Batch, Begin, InTransaction, Query, read
from outlive.gateway.rows import Rows, Stream
from outlive.gateway.transactions import Transaction


class Api:
    """Of one node."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._config = answering.config
        self._databases = answering.databases
        self._principals = answering.principals
        self._transactions = answering.transactions

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""

        def post(path: str, endpoint: Callable[[Request, str, Principal], Awaitable[Any]]) -> Route:
            return Route(path, Endpoint(self._answering.guarded(endpoint, told), self._config))

        return [
            post("/v1/query", self._query),
            post("/v1/batch", self._batch),
            post("/v1/transactions", self._begin),
            post("/v1/transactions/{id}/query", self._step),
            post("/v1/transactions/{id}/commit", self._commit),
            post("/v1/transactions/{id}/rollback", self._rollback),
            Route("/openapi.json", self._openapi),
            *docs_page.routes(self._off, lambda why: response(told(why))),
        ]

    def _off(self) -> Failure | None:
        return None if self._config().principals else SQL_OFF

    async def _openapi(self, request: Request) -> Response:
        if not self._config().principals:
            return response(told(SQL_OFF))
        return Response(msgspec.json.encode(openapi(__version__)), media_type="application/json")

    async def _answered(self, request: Request, name: str, body: bytes, run: Worker) -> Response:
        key = request.headers.get("idempotency-key")
        return await self._answering.answered(request, name, body, run, told, key)

    def _rows(self, principal: Principal, asked: InTransaction) -> Rows:
        most = self._config().http.response_max_bytes
        return Rows(asked.format, max_rows=work.limited(asked.max_rows, principal.max_rows), max_bytes=most)

    # -- the endpoints -----------------------------------------------------------------------------

    async def _query(self, request: Request, name: str, principal: Principal) -> Any:
        body = await self._answering.body(request)
        asked = read(body, Query)
        check_database(name, principal, asked.database)

        async def query(job: work.Job, rows: Rows) -> Done:
            with self._principals.place(name, principal):
                return await work.query(job, self._databases, principal, asked, rows)

        if asked.stream:
            return self._stream(request, principal, asked, query)

        async def run(job: work.Job) -> bytes:
            rows = self._rows(principal, asked)
            return work.result(rows, await query(job, rows))

        return await self._answered(request, name, body, run)

    async def _batch(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        asked = read(body, Batch)
        check_database(name, principal, asked.database)

        async def run(job: work.Job) -> bytes:
            with self._principals.place(name, principal):
                return await work.batch(job, self._databases, principal, asked, self._config().http)

        return await self._answered(request, name, body, run)

    async def _begin(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        asked = read(body, Begin)
        check_database(name, principal, asked.database)
        http = self._config().http

        async def run(job: work.Job) -> bytes:
            self._principals.enter(name, principal)  # for as long as it is open
            try:
                transaction = await work.begin(job, self._databases, principal, name, asked, http, self._transactions)
            except BaseException:
                self._principals.leave(name)
                raise
            return msgspec.json.encode(
                {
                    "transaction": transaction.id,
                    "idle_timeout_s": transaction.idle_timeout_s,
                    "timeout_s": transaction.timeout_s,
                }
            )

        return await self._answered(request, name, body, run)

    async def _step(self, request: Request, name: str, principal: Principal) -> Any:
        body = await self._answering.body(request)
        asked = read(body, InTransaction)
        id = request.path_params["id"]

        async def step(job: work.Job, rows: Rows) -> Done:
            with self._transactions.working(id, name) as transaction:
                return await work.step(job, self._transactions, transaction, principal, asked, rows)

        if asked.stream:
            return self._stream(request, principal, asked, step)

        async def run(job: work.Job) -> bytes:
            rows = self._rows(principal, asked)
            return work.result(rows, await step(job, rows))

        return await self._answered(request, name, body, run)

    async def _commit(self, request: Request, name: str, _: Principal) -> Response:
        async def end(transaction: Transaction) -> bytes:
            await work.commit(transaction.conversation)
            return b'{"transaction":"committed"}'

        return await self._end(request, name, end)

    async def _rollback(self, request: Request, name: str, _: Principal) -> Response:
        async def end(transaction: Transaction) -> bytes:
            await transaction.conversation.command("ROLLBACK")
            return b'{"transaction":"rolled back"}'

        return await self._end(request, name, end)

    async def _end(self, request: Request, name: str, end: Callable[[Transaction], Awaitable[bytes]]) -> Response:
        """A caller who goes away here does not stop it."""
        body = await self._answering.body(request)

        async def run(job: work.Job) -> bytes:
            with self._transactions.working(request.path_params["id"], name) as transaction:
                try:
                    return await end(transaction)
                finally:
                    self._transactions.drop(transaction)

        if request.headers.get("idempotency-key") is None:
            working = asyncio.ensure_future(self._answering.safely(run(work.Job()), told))
            return response(await asyncio.shield(working))
        return await self._answered(request, name, body, run)

    # -- streams -----------------------------------------------------------------------------------

    def _stream(
        self,
        request: Request,
        principal: Principal,
        asked: InTransaction,
        run: Callable[[work.Job, Rows], Awaitable[Done]],
    ) -> Streaming:
        if "idempotency-key" in request.headers:
            raise Failure(400, "bad_request", "A stream cannot be answered again: leave out the Idempotency-Key.")
        rows = Stream(asked.format, max_rows=work.limited(asked.max_rows, principal.max_rows))

        async def tail(job: work.Job) -> bytes:
            return work.tail(rows, await run(job, rows))

        return Streaming(rows, lambda job: self._answering.safely(tail(job), told))


class Streaming:
    """An ASGI response in NDJSON: the columns, the rows as they come, the outcome. Before the columns it may still be
    a plain error.
    """

    def __init__(self, rows: Stream, run: Callable[[work.Job], Awaitable[Answer]]) -> None:
        self._rows = rows
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        job = work.Job()
        rows = self._rows
        task = asyncio.ensure_future(self._run(job))
        caller = caller_of(scope)
        leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def leave() -> None:
            if not leaving.done():
                leaving.set_result(None)

        if not caller.watch(leave):
            leave()
        try:
            await self._next(task, leaving)
            if rows.columns is None and task.done() and task.result().status != 200:
                await response(task.result())(scope, receive, send)
                return
            await _start(send)
            if not leaving.done():
                await _send(send, b'{"columns":' + rows.head() + b"}\n")
            while not leaving.done():
                chunk = rows.take()
                if chunk:
                    await _send(send, chunk)
                elif task.done():
                    await _send(send, self._last(task.result()), more=False)
                    return
                else:
                    await self._next(task, leaving)
        finally:
            caller.unwatch()
            if not task.done():
                if not job.stop():
                    task.cancel()
                rows.discard()
                with suppress(asyncio.CancelledError):
                    await task

    async def _next(self, task: asyncio.Future[Any], leaving: asyncio.Future[Any]) -> None:
        changed = asyncio.ensure_future(self._rows.changed.wait())
        await asyncio.wait({task, leaving, changed}, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

    @staticmethod
    def _last(answer: Answer) -> bytes:
        if answer.status == 200:
            return b'{"outcome":"done",' + answer.body + b"}\n"
        return answer.body + b"\n"


async def _start(send: Send) -> None:
    headers = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def told(failure: Failure) -> Answer:
    """The native API's JSON of a failure."""
    headers = []
    if failure.retry_after_s is not None:
        headers.append(("Retry-After", str(failure.retry_after_s)))
    if failure.status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    return Answer(failure.status, msgspec.json.encode(failure.body()), failure.outcome != "not_run", tuple(headers))
