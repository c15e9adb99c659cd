"""Declared operations in the configuration (docs/operations.md): an endpoint that is a statement, a transaction or a
list of Redis commands. Part of the model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Type = Literal[
    "string", "integer", "int32", "int16", "number", "boolean", "decimal", "uuid", "date", "timestamp", "bytes", "json"
]
Scalar = str | int | float | bool
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Shape = Literal["rows", "row", "value", "affected", "replies", "nothing"]
Word = str | int


class Parameter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value that callers send: its type, and what else must be true of it."""

    type: Annotated[
        Type,
        Meta(
            description=(
                "Of JSON: `integer` has 64 bits, `decimal` and `bytes` (base64) are text, `timestamp` is RFC 3339"
                " (MySQL gets it in UTC), `json` is anything."
            )
        ),
    ] = "string"
    many: Annotated[bool, Meta(description="A list of them (`= ANY(:ids)`). PostgreSQL only.")] = False
    source: (
        Annotated[
            Literal["query", "body"],
            Meta(
                description=(
                    "Where it is, unless in the path; by default in the body of POST, PUT and PATCH, else in the query."
                )
            ),
        ]
        | None
    ) = None
    required: Annotated[bool, Meta(description="Without it the request is refused; else it is `default`, or NULL.")] = (
        True
    )
    nullable: Annotated[bool, Meta(description="Whether a body may say null.")] = False
    default: (
        Annotated[Scalar, Meta(description="What it is where a request leaves it out; it is then not required.")] | None
    ) = None
    minimum: Annotated[float, Meta(description="Least number.")] | None = None
    maximum: Annotated[float, Meta(description="Largest number.")] | None = None
    min_length: Annotated[int, Meta(ge=0, le=1_048_576, description="Least characters of a string.")] = 0
    max_length: Annotated[
        int, Meta(ge=1, le=16_777_216, description="Most characters of a string, a decimal or of base64.")
    ] = 10_000
    max_items: Annotated[int, Meta(ge=1, le=100_000, description="Most of a list (`many`).")] = 1000
    pattern: Annotated[str, Meta(max_length=1000, description="A regular expression for all of a string.")] = ""
    values: Annotated[tuple[Scalar, ...], Meta(max_length=1000, description="The only values it may have.")] = ()
    description: Annotated[str, Meta(max_length=1000, description="For people, in the description.")] = ""


class Step(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One statement of a transaction."""

    sql: Annotated[str, Meta(min_length=1, description="One statement, with `:name` for each parameter.")]
    require: Annotated[
        bool,
        Meta(description="Whether it must find or change a row; else all is rolled back, and the answer is `status`."),
    ] = False
    status: Annotated[Literal[404, 409], Meta(description="404 or 409, where `require` is not met.")] = 404
    answer: Annotated[
        bool, Meta(description="Whether the answer is of this step; without any, it is of the last one.")
    ] = False


class Operation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint. Exactly one of `sql`, `steps` and `commands` says what it does."""

    method: Annotated[Method, Meta(description="GET is for reads: its statement must be one.")]
    path: Annotated[
        str,
        Meta(
            max_length=500,
            description="From `/api/` on; `{name}` or `{name:type}` is a parameter, for a whole segment.",
        ),
    ]
    database: Annotated[str, Meta(description="NAME of a database, or `NAME.ro`.")]
    sql: Annotated[str, Meta(max_length=1_048_576, description="One statement, with `:name` for each parameter.")] = ""
    steps: Annotated[
        tuple[Step, ...],
        Meta(
            max_length=100,
            description="`[[operations.NAME.steps]]`: statements of one transaction, all or nothing.",
        ),
    ] = ()
    commands: Annotated[
        tuple[tuple[Word, ...], ...],
        Meta(
            max_length=100,
            description=(
                "Of Redis: commands, each a list of words with `{name}` for a parameter; a brace is written twice. A"
                " word is one argument whatever its values are. Several are MULTI and EXEC."
            ),
        ),
    ] = ()
    parameters: Annotated[
        dict[str, Parameter | Type],
        Meta(
            max_length=1000,
            description='`NAME = "TYPE"`, or `[operations.NAME.parameters.NAME]`. A path says its own types.',
        ),
    ] = {}
    principals: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                'Who may call it; `"*"` is every principal. They need no rights of their own on the database, and'
                " their `rules` do not concern it; but at Redis their `redis_commands`, `redis_keys` and"
                " `redis_channels` do."
            ),
        ),
    ] = ()
    answer: Annotated[
        Shape,
        Meta(
            description=(
                "`rows`: a list of objects. `row`: one object, or 404. `value`: the only column of one row, or 404."
                " `affected`: how many rows were changed. Of Redis, where it is the last command's reply, `rows` is a"
                " list; and there are `replies`, a list of every command's, and `nothing`, which is null."
            )
        ),
    ] = "rows"
    require: Annotated[
        bool, Meta(description="Whether `rows` without a row, or `affected` without a change, is 404.")
    ] = False
    base64: Annotated[
        bool, Meta(description="Of Redis: whether strings are answered in base64, for values that are no text.")
    ] = False
    cache_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="GET only. How long an answer is given again, from the node's memory."),
    ] = 0.0
    max_rows: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="Most rows; at most the principal's. A larger result is 400.")
    ] = 1000
    max_time_s: Annotated[
        float,
        Meta(ge=0.1, le=86_400, description="Longest statement, its wait included; at most the principal's."),
    ] = 10.0
    summary: Annotated[str, Meta(max_length=1000, description="For people, in the description.")] = ""
    name: str = ""  # NAME, not an option of its own
