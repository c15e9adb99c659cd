"""The native API: SQL over stateless HTTP. docs/http.md tells it to its callers.

A request is watched while it works: where its caller goes, its statement is cancelled. One with an Idempotency-Key runs
to its end, and its answer waits for the retry.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from outlive import __version__
from outlive.config.model import Config, Principal
from outlive.gateway import work
from outlive.gateway.conversation import Done
from outlive.gateway.databases import Databases
from outlive.gateway.failure import RETRY_AFTER_S, Failure
from outlive.gateway.idempotency import Answer, Idempotency
from outlive.gateway.openapi import openapi
from outlive.gateway.principals import SQL_OFF, Principals, check_database
from outlive.gateway.requests import Batch, Begin, InTransaction, Query, read
from outlive.gateway.rows import Rows, Stream
from outlive.gateway.transactions import Transaction, Transactions
from outlive.observe.log import fields
from outlive.proxy.wire import Wire

log = logging.getLogger("outlive.gateway")

_CRASHED: Final = Failure(
    500, "internal_error", "Outlive failed; the statement may or may not have taken effect.", outcome="unknown"
)
Worker = Callable[[work.Job], Awaitable[bytes]]


class Api:
    """Of one node. `config` gives the configuration at hand."""

    def __init__(self, config: Callable[[], Config], wires: Sequence[Wire]) -> None:
        loop = asyncio.get_running_loop()
        self._config = config
        self._databases = Databases(wires)
        self._principals = Principals()
        self._transactions = Transactions(config().node, self._principals.leave)
        self._idempotency = Idempotency(loop.time)

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""
        return [
            Route("/v1/query", self._guarded(self._query), methods=["POST"]),
            Route("/v1/batch", self._guarded(self._batch), methods=["POST"]),
            Route("/v1/transactions", self._guarded(self._begin), methods=["POST"]),
            Route("/v1/transactions/{id}/query", self._guarded(self._step), methods=["POST"]),
            Route("/v1/transactions/{id}/commit", self._guarded(self._commit), methods=["POST"]),
            Route("/v1/transactions/{id}/rollback", self._guarded(self._rollback), methods=["POST"]),
            Route("/openapi.json", self._openapi),
        ]

    async def _openapi(self, request: Request) -> Response:
        if not self._config().principals:
            return _response(_answer(SQL_OFF))
        return Response(msgspec.json.encode(openapi(__version__)), media_type="application/json")

    # -- before and behind each request ------------------------------------------------------------

    def _guarded(
        self, endpoint: Callable[[Request, str, Principal], Awaitable[Any]]
    ) -> Callable[[Request], Awaitable[Any]]:
        async def guarded(request: Request) -> Any:
            try:
                name, principal = self._principals.identify(self._config(), request.headers.get("authorization", ""))
                return await endpoint(request, name, principal)
            except Failure as failure:
                return _response(_answer(failure))
            except ClientDisconnect:
                return Response(status_code=499)

        return guarded

    async def _body(self, request: Request) -> bytes:
        most = self._config().http.request_max_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Failure(413, "request_too_large", f"The request is longer than request_max_bytes ({most}).")
        return bytes(body)

    async def _answered(self, request: Request, name: str, body: bytes, run: Worker) -> Response:
        key = request.headers.get("idempotency-key")
        if key is None:
            return _response(await self._attended(request, run))
        http = self._config().http
        what = request.url.path.encode() + b"\0" + body
        job = work.Job()
        return _response(
            await self._idempotency.answer(
                name,
                key,
                what,
                lambda: self._safely(run(job)),
                keep_s=http.idempotency_keep_s,
                max_keys=http.idempotency_max_keys,
                max_bytes=http.idempotency_max_bytes,
            )
        )

    async def _attended(self, request: Request, run: Worker) -> Answer:
        """Runs while the caller is there."""
        job = work.Job()
        task = asyncio.ensure_future(self._safely(run(job)))
        gone = asyncio.ensure_future(_gone(request.receive))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not job.stop():
                task.cancel()
            with suppress(asyncio.CancelledError):
                return await task
            return Answer(499, b"", ran=False)
        finally:
            gone.cancel()
            if not task.done() and not job.stop():  # this request itself was cancelled: its lease must not outlast it
                task.cancel()

    async def _safely(self, working: Awaitable[bytes]) -> Answer:
        try:
            return Answer(200, await working, ran=True)
        except Failure as failure:
            return _answer(failure)
        except Exception as error:  # a bug: told with its place, never with a text that may quote a value
            places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            log.error("internal error", extra=fields(kind=type(error).__name__, places=" ".join(places)))
            return _answer(_CRASHED)

    def _rows(self, principal: Principal, asked: InTransaction) -> Rows:
        most = self._config().http.response_max_bytes
        return Rows(asked.format, max_rows=work.limited(asked.max_rows, principal.max_rows), max_bytes=most)

    # -- the endpoints -----------------------------------------------------------------------------

    async def _query(self, request: Request, name: str, principal: Principal) -> Any:
        body = await self._body(request)
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
        body = await self._body(request)
        asked = read(body, Batch)
        check_database(name, principal, asked.database)

        async def run(job: work.Job) -> bytes:
            with self._principals.place(name, principal):
                return await work.batch(job, self._databases, principal, asked, self._config().http)

        return await self._answered(request, name, body, run)

    async def _begin(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._body(request)
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
        body = await self._body(request)
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
        body = await self._body(request)

        async def run(job: work.Job) -> bytes:
            with self._transactions.working(request.path_params["id"], name) as transaction:
                try:
                    return await end(transaction)
                finally:
                    self._transactions.drop(transaction)

        if request.headers.get("idempotency-key") is None:
            return _response(await asyncio.shield(asyncio.ensure_future(self._safely(run(work.Job())))))
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

        async def told(job: work.Job) -> bytes:
            return work.tail(rows, await run(job, rows))

        return Streaming(rows, lambda job: self._safely(told(job)))


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
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._next(task, gone)
            if rows.columns is None and task.done() and task.result().status != 200:
                await _response(task.result())(scope, receive, send)
                return
            await _start(send)
            if not gone.done():
                await _send(send, b'{"columns":' + rows.head() + b"}\n")
            while not gone.done():
                chunk = rows.take()
                if chunk:
                    await _send(send, chunk)
                elif task.done():
                    await _send(send, self._last(task.result()), more=False)
                    return
                else:
                    await self._next(task, gone)
        finally:
            gone.cancel()
            if not task.done():
                if not job.stop():
                    task.cancel()
                rows.discard()
                with suppress(asyncio.CancelledError):
                    await task

    async def _next(self, task: asyncio.Future[Any], gone: asyncio.Future[Any]) -> None:
        changed = asyncio.ensure_future(self._rows.changed.wait())
        await asyncio.wait({task, gone, changed}, return_when=asyncio.FIRST_COMPLETED)
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


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _answer(failure: Failure) -> Answer:
    body = msgspec.json.encode(failure.body())
    return Answer(failure.status, body, failure.outcome != "not_run", failure.retry_after_s)


def _response(answer: Answer) -> Response:
    headers = {}
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(answer.body, answer.status, headers, "application/json")
