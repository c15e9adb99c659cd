"""`POST /sql`: one statement, or a batch in one transaction, as `@neondatabase/serverless` sends them over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway import work
from outlive.gateway.answering import Answering
from outlive.gateway.conversation import Done, Isolation
from outlive.gateway.databases import Databases
from outlive.gateway.failure import bad_request
from outlive.gateway.neon.errors import told
from outlive.gateway.neon.rows import NeonRows, result
from outlive.gateway.neon.target import HEADER, parse_target
from outlive.gateway.principals import check_database
from outlive.gateway.requests import Batch, Part, Query, read
from outlive.gateway.rows import Rows
from outlive.gateway.users import DatabaseUsers
from outlive.proxy.postgres.services import PostgresServices

_ISOLATION: Final[dict[str, Isolation]] = {
    "ReadUncommitted": "read uncommitted",
    "ReadCommitted": "read committed",
    "RepeatableRead": "repeatable read",
    "Serializable": "serializable",
}
_ECHOED: Final = ("Neon-Batch-Isolation-Level", "Neon-Batch-Read-Only", "Neon-Batch-Deferrable")
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": ", ".join(
        (
            "Authorization",
            "Content-Type",
            "Neon-Array-Mode",
            *_ECHOED,
            "Neon-Connection-String",
            "Neon-Pool-Opt-In",
            "Neon-Raw-Text-Output",
        )
    ),
    "Access-Control-Expose-Headers": ", ".join(_ECHOED),
    "Access-Control-Max-Age": "86400",
}
_STATEMENTS_MAX: Final = 10_000


class _Statement(Struct):
    query: str
    params: list[Any] = []
    arrayMode: bool | None = None  # the client's name


class _Body(Struct):
    query: str | None = None
    params: list[Any] = []
    arrayMode: bool | None = None  # the client's name
    queries: list[_Statement] | None = None


class Neon:
    """Of one node."""

    def __init__(self, answering: Answering, users: DatabaseUsers) -> None:
        self._answering = answering
        self._users = users

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""
        sql = self._answering.guarded(self._sql, told, (self._by_connection_string,))
        return [Route("/sql", sql, methods=["POST"]), Route("/sql", _preflight, methods=["OPTIONS"])]

    async def _by_connection_string(self, config: Config, request: Request) -> tuple[str, Principal] | None:
        """A `Way` (see `principals.py`): the user of the connection string, where that has a password."""
        target = parse_target(request.headers.get(HEADER, ""))
        if not target.password:
            return None
        return await self._users.enter(config, target.database, target.user, target.password)

    async def _sql(self, request: Request, name: str, principal: Principal) -> Response:
        target = parse_target(request.headers.get(HEADER, ""))
        answering = self._answering
        check_database(name, principal, target.database)
        if not isinstance(answering.databases.services_of(target.database), PostgresServices):
            raise bad_request("The database of Neon-Connection-String is not PostgreSQL.")
        # Without a password somebody else than the user of the string was recognised: who acts as the entry's user.
        databases = answering.databases.acting_as(target.user) if target.password else answering.databases
        body = await answering.body(request)
        asked = read(body, _Body)
        run: _Run
        if asked.queries is None:
            run = _Single(self, request, name, principal, databases, target.database, asked)
        else:
            run = _Several(self, request, name, principal, databases, target.database, asked)
        response = await answering.answered(request, name, body, run.run, told, None)
        response.headers.update(_CORS)
        if asked.queries is not None and response.status_code == 200:
            response.headers.update({name: request.headers[name] for name in _ECHOED if name in request.headers})
        return response

    @property
    def answering(self) -> Answering:
        """What all APIs share."""
        return self._answering


async def _preflight(_: Request) -> Response:
    return Response(status_code=204, headers=_CORS)


class _Run:
    """One request's work."""

    def __init__(
        self,
        neon: Neon,
        request: Request,
        name: str,
        principal: Principal,
        databases: Databases,
        database: str,
        asked: _Body,
    ) -> None:
        self._answering = neon.answering
        self._http = self._answering.config().http
        self._headers = request.headers
        self._name = name
        self._principal = principal
        self._databases = databases
        self._database = database
        self._asked = asked

    def _says(self, header: str) -> bool:
        """Only the literal `true` counts."""
        return self._headers.get(header) == "true"

    def _rows(self, as_array: bool | None, max_rows: int, max_bytes: int) -> NeonRows:
        arrays = self._says("neon-array-mode") if as_array is None else as_array
        return NeonRows(
            "arrays" if arrays else "objects",
            as_text=self._says("neon-raw-text-output"),
            max_rows=max_rows,
            max_bytes=max_bytes,
        )

    async def run(self, job: work.Job) -> bytes:
        """Raises Failure."""
        raise NotImplementedError


class _Single(_Run):
    async def run(self, job: work.Job) -> bytes:
        """See `_Run`."""
        asked = self._asked
        if asked.query is None:
            raise bad_request("The request has neither query nor queries.")
        query = Query(database=self._database, sql=asked.query, parameters=_parameters(asked.params))
        rows = self._rows(asked.arrayMode, self._principal.max_rows, self._http.response_max_bytes)
        with self._answering.principals.place(self._name, self._principal):
            return result(rows, await work.query(job, self._databases, self._principal, query, rows))


class _Several(_Run, work.Writing):
    async def run(self, job: work.Job) -> bytes:
        """See `_Run`."""
        statements = self._asked.queries or []
        if not statements:
            return b'{"results":[]}'
        if len(statements) > _STATEMENTS_MAX:
            raise bad_request(f"A batch has at most {_STATEMENTS_MAX} statements.")
        batch = Batch(
            database=self._database,
            statements=[Part(sql=one.query, parameters=_parameters(one.params)) for one in statements],
            isolation=self._isolation(),
        )
        with self._answering.principals.place(self._name, self._principal):
            return await work.batch(
                job,
                self._databases,
                self._principal,
                batch,
                self._http,
                self,
                read_only=self._says("neon-batch-read-only"),
                deferrable=self._says("neon-batch-deferrable"),
            )

    def _isolation(self) -> Isolation | None:
        level = self._headers.get("neon-batch-isolation-level")
        if level is None:
            return None
        if level not in _ISOLATION:
            raise bad_request(f"Neon-Batch-Isolation-Level is one of {', '.join(_ISOLATION)}.")
        return _ISOLATION[level]

    def rows(self, index: int, asked: Batch, max_rows: int, max_bytes: int) -> Rows:
        """See `Writing`."""
        assert self._asked.queries is not None
        return self._rows(self._asked.queries[index].arrayMode, max_rows, max_bytes)

    def result(self, rows: Rows, done: Done) -> bytes:
        """See `Writing`."""
        return result(rows, done)


def _parameters(values: Sequence[Any]) -> list[Any]:
    """Text or NULL as the client sends them; an array is PostgreSQL's array, an object its JSON."""
    return [msgspec.json.encode(value).decode() if isinstance(value, dict) else value for value in values]
