"""The wait and release service in the configuration (docs/locks.md). Part of the model, see `model.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

ALL: str = "*"


class Locks(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where locks are kept, and their limits. Read at the start only; off while there is no `database`."""

    database: Annotated[
        str,
        Meta(
            description=(
                "The database, by NAME, in which locks are kept: PostgreSQL or Redis. Its user creates the tables, or"
                " they are there."
            )
        ),
    ] = ""
    table: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,40}(\.[A-Za-z_][A-Za-z0-9_]{0,40})?$",
            description="The table (also `SCHEMA.NAME`), beside which is `TABLE_wakes`; of Redis the keys' prefix.",
        ),
    ] = "outlive_locks"
    connections: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Most server connections that locks use at once, of the database's budget; waiters use none.",
        ),
    ] = 2
    max_waiting: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Most callers that wait at this node at once; a further one is 429."),
    ] = 10_000
    max_waiters: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Longest queue of one lock; a further waiter is 429."),
    ] = 1000
    max_pending: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Most signals of one lock that nobody has consumed; a further one is 429."),
    ] = 1000
    payload_max_bytes: Annotated[
        int,
        Meta(ge=16, le=1_048_576, description="Longest payload of a signal; those of one lock together have 1 MiB."),
    ] = 65_536
    ack_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description=(
                "A signal that is not acknowledged for so long goes to the next waiter; so does a mutex whose holder"
                " was between two questions when it was granted, and did not ask again."
            ),
        ),
    ] = 10.0
    grace_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="How long a waiter that does not ask again keeps its place in the queue."),
    ] = 10.0
    remember_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description="How long the id of a release is known at least, so that sending it again does nothing.",
        ),
    ] = 60.0
    wake_s: Annotated[
        float,
        Meta(
            ge=0.01,
            le=10,
            description="How often a node with waiters asks PostgreSQL what other nodes granted them: one statement.",
        ),
    ] = 0.1
    recheck_s: Annotated[
        float,
        Meta(ge=0.1, le=60, description="How often it compares all locks with waiters, should a hint have been lost."),
    ] = 2.0


def may_use(patterns: tuple[str, ...], key: str) -> bool:
    """Whether one of the patterns is the key, or ends in `*` and begins as it does."""
    return any(
        key.startswith(pattern.removesuffix(ALL)) if pattern.endswith(ALL) else key == pattern for pattern in patterns
    )
