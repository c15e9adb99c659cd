"""Rules on what a principal's statements may say (docs/rules.md). Part of the model, see `model.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Kind = Literal["select", "insert", "update", "delete", "lock", "transaction"]


class TableRules(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be done with one table."""

    kinds: Annotated[
        tuple[Kind, ...],
        Meta(max_length=6, description="Kinds of statements on this table; without it those of the rules."),
    ] = ()
    read: (
        Annotated[
            tuple[str, ...],
            Meta(max_length=2000, description="The columns that may be read; without it all. `[]`: none."),
        ]
        | None
    ) = None
    write: (
        Annotated[
            tuple[str, ...],
            Meta(max_length=2000, description="The columns that may be written; without it all. `[]`: none."),
        ]
        | None
    ) = None


class ContentRules(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules on content, of one principal: what is not allowed here is refused."""

    kinds: Annotated[
        tuple[Kind, ...],
        Meta(
            max_length=6,
            description=(
                "Kinds of statements. `lock` is SELECT ... FOR UPDATE and the like; `transaction` is savepoints and the"
                " isolation level. All other statements are refused."
            ),
        ),
    ] = ()
    tables: Annotated[
        dict[str, TableRules],
        Meta(
            max_length=10_000,
            description=(
                "`[principals.NAME.rules.tables.TABLE]` with `kinds`, `read` and `write` (columns), as the statement"
                ' writes the table: "orders" and "public.orders" are two. "*" is every other one without a schema,'
                ' "public.*" every other one of that schema.'
            ),
        ),
    ] = {}
    functions: Annotated[
        tuple[str, ...],
        Meta(max_length=2000, description="Functions that may be called, beside those that only compute."),
    ] = ()
    require_where: Annotated[bool, Meta(description="Whether UPDATE and DELETE need a WHERE.")] = True
    named_only: Annotated[
        bool,
        Meta(description="Whether it may run nothing but the `statements` that are listed here."),
    ] = False
    statements: Annotated[
        tuple[str, ...],
        Meta(max_length=10_000, description="Statements of `[statements]` that it may run by name, as they are."),
    ] = ()
