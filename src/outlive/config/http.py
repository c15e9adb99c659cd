"""SQL over HTTP in the configuration: its limits, and who may send it. Part of the model, see `model.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from outlive.config.content import ContentRules
from outlive.config.secrets import Secret


class Http(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of SQL over HTTP, which is on as soon as there is a principal."""

    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Most connections to the HTTP port; a request on a further one is 503. Read at the start only.",
        ),
    ] = 4000
    tls_cert: Annotated[
        str | None,
        Meta(
            description=(
                "File of the certificate chain (PEM) of the HTTP port; with it the port speaks TLS only, the probes"
                " too. Read again when it changes."
            )
        ),
    ] = None
    tls_key: Annotated[
        str | None,
        Meta(description="File of its key (PEM)."),
    ] = None
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                'Origins (`https://app.example.com`) whose pages may call `/v1` from browsers; `"*"` is every page. The'
                " key must then be in the page's hands."
            ),
        ),
    ] = ()
    request_timeout_s: Annotated[
        float,
        Meta(ge=0.1, le=3600, description="A request must have come with all of its body within this time; else 408."),
    ] = 30.0
    response_timeout_s: Annotated[
        float,
        Meta(ge=0.1, le=3600, description="A caller that takes nothing of its response for this long is ended."),
    ] = 30.0
    keep_alive_s: Annotated[
        float,
        Meta(ge=0.1, le=3600, description="How long a connection to the HTTP port may wait for another request."),
    ] = 15.0
    request_max_bytes: Annotated[
        int,
        Meta(ge=1024, le=1_073_741_824, description="Longest request; a longer one is 413."),
    ] = 4_194_304
    response_max_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=1_073_741_824,
            description="Most rows of a response that is not a stream, in bytes: so much is held for each request.",
        ),
    ] = 16_777_216
    transaction_idle_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="A transaction whose caller stays away for this long is rolled back: it holds a connection.",
        ),
    ] = 30.0
    transaction_timeout_s: Annotated[
        float,
        Meta(ge=0.1, le=86_400, description="Longest transaction in all; then it is rolled back."),
    ] = 300.0
    idempotency: Annotated[
        Literal["memory", "database"],
        Meta(
            description=(
                "Where answers to requests with an Idempotency-Key are kept: `database` writes them in the transaction"
                " of the statement, for every node and beyond a restart."
            )
        ),
    ] = "memory"
    idempotency_table: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$",
            description="The table for `idempotency = \"database\"`, in each database; `SCHEMA.NAME` works too.",
        ),
    ] = "outlive_idempotency"
    rules_sql_max_bytes: Annotated[
        int,
        Meta(ge=64, le=1_048_576, description="Longest statement of a principal that has rules; it has to be parsed."),
    ] = 16_384
    rules_parse_timeout_s: Annotated[
        float,
        Meta(ge=0.05, le=60, description="Longest parsing of a statement for the rules; then it is refused."),
    ] = 2.0
    rules_cache_entries: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Most parsed statements that are kept; those that differ in literals only are one.",
        ),
    ] = 4096
    idempotency_keep_s: Annotated[
        float,
        Meta(ge=1, le=86_400, description="How long the answer to a request with an Idempotency-Key is kept."),
    ] = 300.0
    idempotency_max_keys: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Most keys that are kept; a further one is 503, as none is forgotten before its time.",
        ),
    ] = 100_000
    idempotency_max_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=1_073_741_824,
            description=(
                "Most answers that are kept, in bytes. Of one beyond it the retry is told that it ran, without its"
                " result."
            ),
        ),
    ] = 67_108_864
    operations_cache_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_073_741_824,
            description="Most answers of declared operations with `cache_s` that are kept; the least used go first.",
        ),
    ] = 16_777_216


class Principal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may send SQL over HTTP, and how much. It acts as the user of the database's entry."""

    api_key_sha256: Annotated[
        tuple[str, ...],
        Meta(
            max_length=16,
            description=(
                "SHA-256 of its API keys, in hexadecimal; several, so that a key can be changed. The keys must be"
                " random, of 128 bits or more."
            ),
        ),
    ] = ()
    databases: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description="The databases it may send SQL or commands to, by NAME; also `NAME.ro`.",
        ),
    ] = ()
    locks: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description="The locks it may use (docs/locks.md), by key; `orders-*` is all whose key begins so.",
        ),
    ] = ()
    database_users: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                "Users of its databases who are this principal when they log in with their own password, as clients of"
                " Neon and of PlanetScale do, and who act as themselves; `*` is everybody whom the database lets in and"
                " no other principal names."
            ),
        ),
    ] = ()
    websocket: Annotated[
        bool,
        Meta(
            description=(
                "Whether its `database_users` may speak PostgreSQL's own protocol over a WebSocket, as Neon's Pool and"
                " Client do. Of the principal's limits only `max_concurrency` counts there."
            ),
        ),
    ] = False
    access_keys: Annotated[
        dict[str, Secret],
        Meta(
            description=(
                "Access keys with which clients of the RDS Data API sign (Signature Version 4) as this principal: each"
                " id with its secret, or `{ env = ... }`, `{ file = ... }`, `{ command = ... }`. Invent them: AWS is"
                " not asked."
            )
        ),
    ] = {}
    arns: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description=(
                "What the ARNs of RDS Data API clients mean: each resourceArn, and each secretArn that makes a"
                " difference, with a list of the principal's databases. A request means those that all its ARNs in here"
                " name, and of them the one that its `database` names, or the first."
            )
        ),
    ] = {}
    read_only: Annotated[
        bool,
        Meta(description="Whether all it sends runs in transactions that cannot write."),
    ] = False
    max_rows: Annotated[
        int,
        Meta(ge=1, le=1_000_000_000, description="Most rows of one result; a request may ask for less."),
    ] = 100_000
    max_time_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description=(
                "Longest statement, its wait for a connection included. Where a login has to be asked of the server"
                " first, that waits at most `acquire_timeout_s` before it."
            ),
        ),
    ] = 30.0
    max_concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Most requests and open transactions at once; a further one is 429. It leaves others room.",
        ),
    ] = 1000
    jwt: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                "Who sends a JSON Web Token of `[jwt.NAME]` is this principal where the token's claim is VALUE: each is"
                " `NAME/VALUE`."
            ),
        ),
    ] = ()
    rate: Annotated[
        float,
        Meta(
            ge=0,
            le=1_000_000,
            description="Most requests a second, in the long run; a further one is 429. 0: no such limit.",
        ),
    ] = 0.0
    burst: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="How many requests may come at once before `rate` counts."),
    ] = 100
    redis_commands: (
        Annotated[
            tuple[str, ...],
            Meta(
                max_length=1000,
                description=(
                    "Commands it may send to Redis over HTTP (docs/upstash.md), by name; `@read`, `@write` and"
                    " `@pubsub` are groups. Without it all but an operator's. A script may run any command: EVAL and"
                    " FCALL are in no group."
                ),
            ),
        ]
        | None
    ) = None
    redis_keys: (
        Annotated[
            tuple[str, ...],
            Meta(
                max_length=1000,
                description=(
                    'Patterns (`"user:*"`) of the keys it may use at Redis. With it a command whose keys cannot be told'
                    " is refused: scripts, SCAN, KEYS, SORT by other keys. `[]`: none."
                ),
            ),
        ]
        | None
    ) = None
    redis_channels: (
        Annotated[
            tuple[str, ...],
            Meta(
                max_length=1000,
                description=(
                    "Patterns of the channels it may use at Redis; to subscribe to a pattern it has to be one of them."
                    " Without it all, or with `redis_keys` none."
                ),
            ),
        ]
        | None
    ) = None
    rules: (
        Annotated[
            ContentRules,
            Meta(description="`[principals.NAME.rules]`: what its statements may say; without it, anything."),
        ]
        | None
    ) = None
    name: str = ""  # NAME, not an option of its own
