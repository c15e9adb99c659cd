"""What operations do with SQL: one statement, or a transaction, by the same way as `/v1/query` and `/v1/batch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from outlive.config.http import Http, Principal
from outlive.config.inputs import Input
from outlive.config.operations import Operation
from outlive.gateway import work
from outlive.gateway.conversation import Done
from outlive.gateway.databases import Databases
from outlive.gateway.declared.bindings import Bound, bind
from outlive.gateway.declared.commands import Commands
from outlive.gateway.declared.prepared import described
from outlive.gateway.declared.refusals import refused
from outlive.gateway.declared.shapes import collector, has_met, not_found, shaped
from outlive.gateway.declared.work import Said, Work
from outlive.gateway.failure import Failure
from outlive.gateway.requests import Batch, Part, Query
from outlive.gateway.rows import Rows


class Statements(Work):
    """`statements` are what a database can be asked about before anything runs."""

    def __init__(self, operation: Operation) -> None:
        Work.__init__(self, operation)
        self.statements: list[Bound] = []

    @property
    def answering(self) -> int:
        """Which of `statements` gives the answer."""
        return 0

    def schema(self) -> dict[str, Any] | None:
        """See `Work`."""
        if self.operation.answer != "affected":
            return None
        members = {"affected": {"type": ["integer", "null"]}, "last_insert_id": {"type": "integer"}}
        return {"type": "object", "required": ["affected"], "properties": members}

    async def describe(self, databases: Databases) -> Said:
        """See `Work`: each is prepared."""
        return await described(databases, self.operation, self.statements, self.answering)

    def _acting(self, principal: Principal) -> Principal:
        """Its limits and the operation's. Its rules are for statements of its own."""
        return replace(self.limited(principal), rules=None)


class OneStatement(Statements):
    """It commits by itself."""

    def __init__(self, operation: Operation, inputs: Sequence[Input], protocol: str) -> None:
        Statements.__init__(self, operation)
        self._bound = bind(operation.sql, inputs, protocol)
        self.statements = [self._bound]

    async def run(
        self, job: work.Job, databases: Databases, principal: Principal, http: Http, values: Mapping[str, Any]
    ) -> bytes:
        """See `Work`."""
        operation = self.operation
        acting = self._acting(principal)
        asked = Query(database=operation.database, sql=self._bound.sql, parameters=self._bound.values(values))
        rows = collector(operation.answer, acting.max_rows, http.response_max_bytes)
        try:
            done = await work.query(job, databases, acting, asked, rows)
        except Failure as failure:
            raise refused(failure, self._bound.inputs) from None
        try:
            if operation.require and not has_met(rows, done):
                raise not_found()
            return shaped(operation.answer, rows, done)
        except Failure as failure:
            if job.once is not None and job.once.conversation is not None:
                failure.outcome = "failed"  # it ends without a COMMIT
            raise


class Steps(Statements):
    """A transaction: all of it, or nothing."""

    def __init__(self, operation: Operation, inputs: Sequence[Input], protocol: str) -> None:
        Statements.__init__(self, operation)
        self.statements = [bind(step.sql, inputs, protocol) for step in operation.steps]

    @property
    def answering(self) -> int:
        """See `Work`."""
        said = [index for index, step in enumerate(self.operation.steps) if step.answer]
        return said[0] if said else len(self.operation.steps) - 1

    async def run(
        self, job: work.Job, databases: Databases, principal: Principal, http: Http, values: Mapping[str, Any]
    ) -> bytes:
        """See `Work`."""
        operation = self.operation
        parts = [Part(sql=bound.sql, parameters=bound.values(values)) for bound in self.statements]
        asked = Batch(database=operation.database, statements=parts)
        writing = _Answer(operation, self.answering)
        acting = self._acting(principal)
        reads = operation.method == "GET"
        try:
            await work.batch(job, databases, acting, asked, http, writing, read_only=reads)
        except Failure as failure:
            at = failure.details.pop("statement", None)
            inputs = self.statements[at].inputs if isinstance(at, int) else []
            raise refused(failure, inputs) from None
        return writing.body


class _Answer(work.Writing):
    """Looks at each step's result while the transaction can still be rolled back."""

    def __init__(self, operation: Operation, answering: int) -> None:
        self.body = b""
        self._operation = operation
        self._answering = answering
        self._index = -1

    def rows(self, index: int, asked: Batch, max_rows: int, max_bytes: int) -> Rows:
        """See `Writing`."""
        self._index = index
        return collector(self._operation.answer if index == self._answering else "rows", max_rows, max_bytes)

    def result(self, rows: Rows, done: Done) -> bytes:
        """See `Writing`. Raises Failure."""
        step = self._operation.steps[self._index]
        answers = self._index == self._answering
        try:
            if step.require and not has_met(rows, done):
                raise not_found(step.status)
            if answers:
                if self._operation.require and not has_met(rows, done):
                    raise not_found()
                self.body = shaped(self._operation.answer, rows, done)
        except Failure as failure:
            failure.outcome = "failed"
            raise
        return b""


KINDS: Final[dict[str, type[OneStatement] | type[Steps] | type[Commands]]] = {
    "sql": OneStatement,
    "steps": Steps,
    "commands": Commands,
}
"""By the member of the configuration that says what an operation does."""


def work_of(operation: Operation, inputs: Sequence[Input], protocol: str) -> Work:
    """The configuration was checked: it has exactly one of them."""
    kind = next(kind for member, kind in KINDS.items() if getattr(operation, member))
    return kind(operation, inputs, protocol)
