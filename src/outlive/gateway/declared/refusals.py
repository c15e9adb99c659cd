"""What the database refused for its caller's sake: a value that it cannot take is 422, a row that is in the way 409.

Source: "PostgreSQL Error Codes" of the PostgreSQL documentation (classes 22 and 23); "Server Error Message Reference"
of MySQL's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from outlive.config.inputs import Input
from outlive.gateway.failure import Failure

_UNFIT: Final = frozenset(("22001", "22003", "22007", "22008", "22P02", "22P03", "22021", "22018", "22023"))
_UNFIT_MYSQL: Final = frozenset((1264, 1265, 1292, 1366, 1406, 1411, 3140))
_CHECK: Final = 3819
"""ER_CHECK_CONSTRAINT_VIOLATED, whose SQLSTATE is not of class 23."""
_NOT_NULL: Final = frozenset((1048,))
_AMONG: Final = re.compile(rb"parameter \$(\d+)")
_COLUMN: Final = re.compile(r"column '(?:[^'`]*\.)?`?(\w+)`?'")


def refused(failure: Failure, inputs: Sequence[Input]) -> Failure:
    """The failure as the operation's callers are told; `inputs` are in the statement's order."""
    if failure.code != "database_error":
        return failure
    state, number = failure.details.get("sqlstate"), failure.details.get("errno")
    if state == "23502" or number in _NOT_NULL or state in _UNFIT or number in _UNFIT_MYSQL:
        name = _name(failure, inputs)
        return _other(failure, 422, "invalid_parameter", {} if name is None else {"parameter": name})
    if number == _CHECK or (isinstance(state, str) and state[:2] == "23"):
        return _other(failure, 409, "conflict", {})
    return failure


def _other(failure: Failure, status: int, code: str, more: dict[str, object]) -> Failure:
    details = {**failure.details, **more}
    return Failure(status, code, failure.message, outcome=failure.outcome, details=details, said=failure.said)


def _name(failure: Failure, inputs: Sequence[Input]) -> str | None:
    """The parameter, where it is known: by its number, by its column's name, or because there is no other."""
    among = _AMONG.search(getattr(failure.said, "raw", b""))
    if among is not None and 0 < int(among[1]) <= len(inputs):
        return inputs[int(among[1]) - 1].name
    column = _COLUMN.search(failure.message)
    names = [found.name for found in inputs]
    if column is not None and column[1] in names:
        return column[1]
    return names[0] if len(set(names)) == 1 else None
