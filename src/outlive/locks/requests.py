"""What requests to the wait and release service say, as their JSON is read; `openapi.py` makes the schemas of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from outlive.gateway.failure import bad_request
from outlive.locks.state import Mode

ID: Final = r"^[\x20-\x7e]{1,200}$"
KEY_CHARACTERS: Final = 200
POLL_MAX_MS: Final = 25_000
STREAM_MAX_MS: Final = 600_000
LEASE_MAX_MS: Final = 86_400_000
TTL_MAX_MS: Final = 604_800_000
FENCE_MAX: Final = (1 << 53) - 1
"""The stores keep fences as doubles (Lua's numbers): above it two would be taken for the same."""

Id = Annotated[str, Meta(pattern=ID, description="Of the caller's own invention, as a UUID: ASCII, 1 to 200.")]
Lease = Annotated[int, Meta(ge=100, le=LEASE_MAX_MS, description="Milliseconds that a mutex is held without renewal.")]
GrantId = Annotated[str, Meta(pattern=ID, description="What the wait was answered with.")]


class WaitRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """A question for a lock. All of it may be left out."""

    mode: Mode = "signal"
    waiter_id: Id | None = None
    timeout_ms: Annotated[
        int, Meta(ge=0, le=STREAM_MAX_MS, description="Milliseconds; at most 25000, and 600000 of an event stream.")
    ] = POLL_MAX_MS
    lease_ms: Lease = 30_000


class ReleaseRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """A signal for one waiter; with `grant_id` and `fence`, the end of a mutex. All of it may be left out."""

    release_id: Id | None = None
    payload: Annotated[Any, Meta(description="Any JSON, for the waiter.")] = msgspec.UNSET
    ttl_ms: Annotated[
        int, Meta(ge=1, le=TTL_MAX_MS, description="Milliseconds for which a signal waits for its waiter.")
    ] = 3_600_000
    grant_id: GrantId | None = None
    fence: Annotated[int, Meta(ge=0, le=FENCE_MAX, description="Of the same grant.")] | None = None


class AckRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """The signal was consumed."""

    grant_id: GrantId


class RenewRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """More time."""

    grant_id: GrantId
    lease_ms: Lease | None = None


class _Payload(Struct):
    payload: msgspec.Raw = msgspec.Raw(b"null")


def payload_of(body: bytes) -> str:
    """The payload as it was written. `body` was read before."""
    return bytes(msgspec.json.decode(body, type=_Payload).payload).decode() if body else "null"


def check_wait(asked: WaitRequest, *, stream: bool) -> None:
    """Raises Failure."""
    if not stream and asked.timeout_ms > POLL_MAX_MS:
        raise bad_request(f"timeout_ms is at most {POLL_MAX_MS}; longer waits are event streams, or ask again.")


def check_release(asked: ReleaseRequest) -> None:
    """Raises Failure."""
    if (asked.grant_id is None) != (asked.fence is None):
        raise bad_request("The release of a mutex has grant_id and fence.")
    if asked.grant_id is not None and asked.payload is not msgspec.UNSET:
        raise bad_request("The release of a mutex has no payload: it goes to nobody.")
