"""`Execute` and `CreateSession` of PlanetScale: one statement a request, a transaction by the session sent back.

A connection is held only while a transaction is open, which has the deadlines of any over HTTP. What else a statement
sets in its session is gone behind it.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway import work
from outlive.gateway.answering import Answering, response
from outlive.gateway.conversation import Done
from outlive.gateway.databases import Databases
from outlive.gateway.endpoint import Post
from outlive.gateway.failure import Failure, bad_request
from outlive.gateway.idempotency import Answer
from outlive.gateway.planetscale.boundaries import boundary
from outlive.gateway.planetscale.errors import error_of, status_of
from outlive.gateway.planetscale.rows import PlanetScaleRows, result
from outlive.gateway.planetscale.sessions import Given, Owner, Sessions
from outlive.gateway.requests import Begin, InTransaction, Query, read
from outlive.gateway.statement import Statement
from outlive.gateway.users import DatabaseUsers, named_by, refused
from outlive.proxy.mysql.services import MySQLServices

_PREFIX: Final = "/psdb.v1alpha1.Database/"


class _Execute(Struct):
    query: str
    session: Given | None = None


class _Text(Query, kw_only=True):
    """The client has put the parameters into the text, with backslashes."""

    @property
    def statement(self) -> Statement:
        """See `InTransaction`."""
        return Statement(self.sql, as_text=True)


class _Step(InTransaction, kw_only=True):
    @property
    def statement(self) -> Statement:
        """See `InTransaction`."""
        return Statement(self.sql, as_text=True)


class PlanetScale:
    """Of one node."""

    def __init__(self, answering: Answering, users: DatabaseUsers) -> None:
        self._answering = answering
        self._users = users
        self._sessions = Sessions()

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""
        guarded = self._answering.guarded
        return [
            Route(_PREFIX + "Execute", Post(guarded(self._execute, _told, (self._by_user,)))),
            Route(_PREFIX + "CreateSession", Post(guarded(self._create, _told, (self._by_user,)))),
        ]

    async def _by_user(self, config: Config, request: Request) -> tuple[str, Principal]:
        """A `Way` (see `principals.py`): Basic is the only one, as the statement runs as that user."""
        user, database, password = _basic(request.headers.get("authorization", ""))
        found = [name for name in named_by(config, user) if self._is_mysql(name) and database in ("", name)]
        if len(found) != 1:
            # Also where several databases have the user and none is said: then USER@DATABASE says it.
            raise refused(user)
        name, principal = await self._users.enter(config, found[0], user, password)
        request.state.owner = Owner(name, found[0], user)
        return name, principal

    def _is_mysql(self, database: str) -> bool:
        return isinstance(self._answering.databases.services_of(database), MySQLServices)

    async def _create(self, request: Request, name: str, principal: Principal) -> Response:
        body = msgspec.json.encode({"session": self._sessions.outside(request.state.owner)})
        return response(Answer(200, body, ran=False))

    async def _execute(self, request: Request, name: str, principal: Principal) -> Response:
        body = await self._answering.body(request)
        asked = read(body, _Execute)
        execution = _Execution(self._answering, self._sessions, request.state.owner, principal, asked)
        if execution.ends:
            # A caller who goes away here does not stop it.
            working = asyncio.ensure_future(self._answering.safely(execution.run(work.Job()), execution.told))
            return response(await asyncio.shield(working))
        return await self._answering.answered(request, name, body, execution.run, execution.told, None)


class _Execution:
    """One statement."""

    def __init__(
        self, answering: Answering, sessions: Sessions, owner: Owner, principal: Principal, asked: _Execute
    ) -> None:
        self._answering = answering
        self._http = answering.config().http
        self._databases: Databases = answering.databases.acting_as(owner.user)
        self._sessions = sessions
        self._owner = owner
        self._principal = principal
        self._sql = asked.query
        self._boundary = boundary(asked.query)
        self._transaction = sessions.transaction(asked.session, owner)
        self._session = sessions.outside(owner) if self._transaction is None else asked.session
        self._rows = PlanetScaleRows(max_rows=principal.max_rows, max_bytes=self._http.response_max_bytes)
        self._since = time.monotonic()

    @property
    def ends(self) -> bool:
        """Whether it is the end of a transaction."""
        return self._boundary in ("commit", "rollback") and self._transaction is not None

    async def run(self, job: work.Job) -> bytes:
        """The response. Raises Failure."""
        done = await self._done(job)
        head = {"session": self._session, "timing": round(time.monotonic() - self._since, 6)}
        return msgspec.json.encode(head)[:-1] + b',"result":' + result(self._rows, done) + b"}"

    async def _done(self, job: work.Job) -> Done:
        if self._transaction is not None:
            return await self._inside(job, self._transaction)
        if self._boundary in ("begin", "begin read only"):
            return await self._begin(job)
        if self._boundary is not None:
            return Done(0)  # outside a transaction, as in MySQL, there is nothing to end
        query = _Text(database=self._owner.database, sql=self._sql)
        with self._answering.principals.place(self._owner.principal, self._principal):
            return await work.query(job, self._databases, self._principal, query, self._rows)

    async def _begin(self, job: work.Job) -> Done:
        owner, principals, transactions = self._owner, self._answering.principals, self._answering.transactions
        asked = Begin(database=owner.database, read_only=self._boundary == "begin read only")
        principals.enter(owner.principal, self._principal)  # for as long as it is open
        try:
            begun = await work.begin(
                job, self._databases, self._principal, owner.principal, asked, self._http, transactions
            )
        except BaseException:
            principals.leave(owner.principal)
            raise
        self._session = self._sessions.inside(begun.id, owner)
        return Done(0)

    async def _inside(self, job: work.Job, id: str) -> Done:
        transactions = self._answering.transactions
        try:
            with transactions.working(id, self._owner.principal) as transaction:
                if self._boundary is None:
                    asked = _Step(sql=self._sql)
                    return await work.step(job, transactions, transaction, self._principal, asked, self._rows)
                if self._boundary not in ("commit", "rollback"):
                    raise bad_request("A transaction is open: end it first.")
                try:
                    if self._boundary == "commit":
                        await work.commit(transaction.conversation)
                    else:
                        await transaction.conversation.command("ROLLBACK")
                finally:
                    transactions.drop(transaction)
        except Failure as failure:
            # A transaction that is over stays so for its session, whose statements would else run outside of any, until
            # the client says ROLLBACK, of which nothing is left to be done.
            over = failure.code in ("no_such_transaction", "transaction_over")
            if not (over and self._boundary == "rollback"):
                raise
        self._session = self._sessions.outside(self._owner)
        return Done(0)

    def told(self, failure: Failure) -> Answer:
        """A failure, with the session as it stands."""
        return _answer(failure, {"session": self._session})


def _told(failure: Failure) -> Answer:
    return _answer(failure, {})


def _answer(failure: Failure, more: dict[str, Any]) -> Answer:
    status = status_of(failure)
    headers = []
    if status in (429, 503):
        headers.append(("Retry-After", str(failure.retry_after_s)))
    if status == 401:
        headers.append(("WWW-Authenticate", "Basic"))
    body = msgspec.json.encode({**more, "error": error_of(failure)})
    return Answer(status, body, failure.outcome != "not_run", tuple(headers))


def _basic(authorization: str) -> tuple[str, str, str]:
    """User, database ("" where it is not said) and password of `USER:PASSWORD` or `USER@DATABASE:PASSWORD`.

    Raises Failure.
    """
    scheme, _, encoded = authorization.partition(" ")
    try:
        login = b64decode(encoded.strip(), validate=True)
    except ValueError:
        login = b""
    if scheme.lower() != "basic" or b":" not in login:
        raise Failure(401, "unauthorized", "Send a database user's name and password as Authorization: Basic.")
    try:
        text = login.decode()
    except UnicodeDecodeError:
        text = login.decode("latin-1")  # what the client's btoa() makes of characters up to U+00FF
    name, _, password = text.partition(":")
    user, _, database = name.rpartition("@") if "@" in name else (name, "", "")
    return user, database, password
