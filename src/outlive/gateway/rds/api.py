"""The operations of the RDS Data API, each a thin translation to what a request of the native API does.

boto3 and the SDKs for JavaScript keep `amz-sdk-invocation-id` across their retries: it is the idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive.config.http import Principal
from outlive.gateway import work
from outlive.gateway.answering import Answering, Worker, response
from outlive.gateway.conversation import Done
from outlive.gateway.endpoint import Post
from outlive.gateway.failure import Failure, bad_request
from outlive.gateway.principals import check_database
from outlive.gateway.rds import requests as rds
from outlive.gateway.rds.errors import told
from outlive.gateway.rds.parameters import values
from outlive.gateway.rds.records import MySQLRecords, PostgresRecords, Records, generated
from outlive.gateway.rds.sigv4 import SigV4
from outlive.gateway.rds.target import meant, protocol
from outlive.gateway.requests import Batch, Begin, InTransaction, Part, Query, read
from outlive.gateway.rows import Rows
from outlive.gateway.transactions import Transaction

_KEY: Final = "amz-sdk-invocation-id"
RETRIED_WITHIN_S: Final = 120.0
"""How long answers are kept: an SDK stops waiting for one after 60 s, and its backoff is 20 s at most, by default."""
COMMITTED: Final = b'{"transactionStatus":"Transaction Committed"}'
ROLLED_BACK: Final = b'{"transactionStatus":"Rollback Complete"}'
_Endpoint = Callable[[Request, str, Principal], Awaitable[Any]]


class RdsDataApi:
    """Of one node."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._config = answering.config
        self._principals = answering.principals
        self._transactions = answering.transactions
        self._sigv4 = SigV4(answering.body)

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""

        def post(path: str, endpoint: _Endpoint) -> Route:
            return Route(path, Post(self._answering.guarded(endpoint, told, (self._sigv4,))))

        return [
            post("/Execute", self._execute),
            post("/BatchExecute", self._batch),
            post("/BeginTransaction", self._begin),
            post("/CommitTransaction", self._commit),
            post("/RollbackTransaction", self._rollback),
            post("/ExecuteSql", self._deprecated),
        ]

    def _meant(self, name: str, principal: Principal, asked: rds.Addressed) -> list[str]:
        found = meant(self._config(), principal, asked)
        for database in found:
            check_database(name, principal, database)
        return found

    async def _answered(self, request: Request, name: str, body: bytes, run: Worker) -> Response:
        key = request.headers.get(_KEY)
        return await self._answering.answered(request, name, body, run, told, key, RETRIED_WITHIN_S)

    async def _to_its_end(self, request: Request, name: str, body: bytes, run: Worker) -> Response:
        """As `_answered`, and a caller who goes away does not stop it."""
        if request.headers.get(_KEY) is not None:
            return await self._answered(request, name, body, run)
        working = asyncio.ensure_future(self._answering.safely(run(work.Job()), told))
        return response(await asyncio.shield(working))

    async def _deprecated(self, request: Request, name: str, principal: Principal) -> Response:
        raise bad_request("ExecuteSql is deprecated: use ExecuteStatement or BatchExecuteStatement.")

    # -- statements --------------------------------------------------------------------------------

    async def _execute(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        asked = read(body, rds.Execute)
        databases = self._meant(name, principal, asked)
        speaks = protocol(self._config(), databases[0])
        parameters: Any = values(asked.parameters, speaks) or []

        async def run(job: work.Job) -> bytes:
            rows = self._records(principal, asked, speaks)
            if asked.transaction_id:
                step = InTransaction(sql=asked.sql, parameters=parameters)
                return rows.answer(await self._step(job, name, principal, databases, asked.transaction_id, step, rows))
            query = Query(database=databases[0], sql=asked.sql, parameters=parameters)
            with self._principals.place(name, principal):
                return rows.answer(await work.query(job, self._answering.databases, principal, query, rows))

        answer = self._to_its_end if asked.continue_after_timeout else self._answered
        return await answer(request, name, body, run)

    def _records(self, principal: Principal, asked: rds.Execute, speaks: str) -> Records:
        kind = PostgresRecords if speaks == "postgresql" else MySQLRecords
        most = self._config().http.response_max_bytes
        return kind(asked, max_rows=principal.max_rows, max_bytes=most, pages=asked.transaction_id is not None)

    async def _step(
        self,
        job: work.Job,
        name: str,
        principal: Principal,
        databases: list[str],
        id: str,
        asked: InTransaction,
        rows: Rows,
    ) -> Done:
        with self._transactions.working(id, name) as transaction:
            _check_same(transaction, databases)
            try:
                return await work.step(job, self._transactions, transaction, principal, asked, rows)
            except Failure as failure:
                failure.details.setdefault("transaction", "open")
                raise

    async def _batch(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        asked = read(body, rds.BatchExecute)
        databases = self._meant(name, principal, asked)
        speaks = protocol(self._config(), databases[0])
        sets: list[Any] = [values(each, speaks) or [] for each in asked.parameter_sets] or [[]]

        async def run(job: work.Job) -> bytes:
            if asked.transaction_id:
                return await self._steps(job, name, principal, databases, asked, sets)
            parts = [Part(sql=asked.sql, parameters=each) for each in sets]
            batch = Batch(database=databases[0], statements=parts)
            http = self._config().http
            with self._principals.place(name, principal):
                found = await work.batch(job, self._answering.databases, principal, batch, http, _Updates())
            return b'{"updateResults":' + found.removeprefix(b'{"results":')

        return await self._answered(request, name, body, run)

    async def _steps(
        self,
        job: work.Job,
        name: str,
        principal: Principal,
        databases: list[str],
        asked: rds.BatchExecute,
        sets: list[Any],
    ) -> bytes:
        results: list[bytes] = []
        for each in sets:
            step, rows = InTransaction(sql=asked.sql, parameters=each), _Dropped("arrays", max_rows=1, max_bytes=0)
            try:
                done = await self._step(job, name, principal, databases, asked.transaction_id or "", step, rows)
            except Failure as failure:
                if failure.outcome == "not_run" and results:
                    failure.outcome = "failed"  # those before it have run: it is not to be sent again
                raise
            results.append(_updated(done))
        return b'{"updateResults":[' + b",".join(results) + b"]}"

    # -- transactions ------------------------------------------------------------------------------

    async def _begin(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        database = self._meant(name, principal, read(body, rds.Begin))[0]
        http = self._config().http

        async def run(job: work.Job) -> bytes:
            self._principals.enter(name, principal)  # for as long as it is open
            try:
                transaction = await work.begin(
                    job, self._answering.databases, principal, name, Begin(database=database), http, self._transactions
                )
            except BaseException:
                self._principals.leave(name)
                raise
            # As with JDBC's autocommit off, which this API has there: DDL commits, and the transaction goes on.
            transaction.reopens = transaction.conversation.protocol == "mysql"
            return b'{"transactionId":"%b"}' % transaction.id.encode()

        return await self._answered(request, name, body, run)

    async def _commit(self, request: Request, name: str, principal: Principal) -> Response:
        async def end(transaction: Transaction) -> bytes:
            await work.commit(transaction.conversation)
            return COMMITTED

        return await self._end(request, name, principal, end)

    async def _rollback(self, request: Request, name: str, principal: Principal) -> Response:
        async def end(transaction: Transaction) -> bytes:
            await transaction.conversation.command("ROLLBACK")
            return ROLLED_BACK

        return await self._end(request, name, principal, end)

    async def _end(
        self, request: Request, name: str, principal: Principal, end: Callable[[Transaction], Awaitable[bytes]]
    ) -> Response:
        body = await self._answering.body(request)
        asked = read(body, rds.End)
        databases = self._meant(name, principal, asked)

        async def run(job: work.Job) -> bytes:
            with self._transactions.working(asked.transaction_id, name) as transaction:
                _check_same(transaction, databases)
                try:
                    return await end(transaction)
                finally:
                    self._transactions.drop(transaction)

        return await self._to_its_end(request, name, body, run)


def _check_same(transaction: Transaction, databases: list[str]) -> None:
    """Raises Failure where the request means another database than its transaction."""
    if transaction.conversation.route.name not in {name.removesuffix(".ro") for name in databases}:
        raise bad_request("The transaction is of another database than the request.")


class _Dropped(Rows):
    """A batch has no rows."""

    def add(self, cells: list[bytes]) -> None:
        """See `Rows`."""


class _Updates(work.Writing):
    """See `work.Writing`."""

    def rows(self, index: int, asked: Batch, max_rows: int, max_bytes: int) -> Rows:
        """See `work.Writing`."""
        return _Dropped("arrays", max_rows=1, max_bytes=0)

    def result(self, rows: Rows, done: Done) -> bytes:
        """See `work.Writing`."""
        return _updated(done)


def _updated(done: Done) -> bytes:
    return b'{"generatedFields":' + generated(done) + b"}"
