"""The answers of operations: rows, one row, one value, or how many rows were changed."""

from __future__ import annotations

import msgspec

from outlive.config.operations import Shape
from outlive.gateway.conversation import Done
from outlive.gateway.failure import Failure
from outlive.gateway.rows import Rows


def collector(shape: Shape, max_rows: int, max_bytes: int) -> Rows:
    """For the statement whose result is the answer."""
    return Rows("arrays" if shape == "value" else "objects", max_rows=max_rows, max_bytes=max_bytes)


def has_met(rows: Rows, done: Done) -> bool:
    """Whether the statement found, or changed, a row."""
    return rows.count > 0 if rows.columns is not None else bool(done.rows_affected)


def shaped(shape: Shape, rows: Rows, done: Done) -> bytes:
    """The body. Raises Failure, whose outcome the caller knows better."""
    if shape == "affected":
        found: dict[str, object] = {"affected": done.rows_affected}
        if done.last_insert_id is not None:
            found["last_insert_id"] = done.last_insert_id
        return msgspec.json.encode(found)
    if shape == "rows":
        return b"[" + b",".join(rows.pieces) + b"]"
    if not rows.count:
        raise not_found()
    if rows.count > 1:
        raise Failure(409, "several_rows", "There is more than one row.", outcome="done")
    if shape == "row":
        return rows.pieces[0]
    if len(rows.columns or ()) != 1:
        raise Failure(409, "several_columns", "The row has not just one column.", outcome="done")
    return rows.pieces[0][1:-1]


def not_found(status: int = 404) -> Failure:
    """No row where there must be one."""
    if status == 409:
        return Failure(409, "conflict", "The operation does not fit what is in the database.", outcome="done")
    return Failure(404, "not_found", "There is no such row.", outcome="done")
