"""What callers of the wait and release service are told, as JSON."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.locks.service import Granted
from outlive.locks.state import Grant, Outcome
from outlive.locks.store import StoreFailure

_CLOSE: Final = (("Connection", "close"),)
_REFUSED: Final = {
    "stale": (409, "stale", "This grant is over: its time was up, and the lock may be another's."),
    "other_mode": (409, "other_mode", "The lock is in use as the other of signal and mutex."),
    "full": (429, "lock_full", "The lock has as many waiters, signals or bytes of them as it may."),
}
LOCKS_OFF: Final = Failure(404, "locks_off", "There are no locks here: add [locks] with a database.")


def encoded(value: object) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)


def answer(status: int, members: dict[str, Any], *, close: bool = False) -> Answer:
    """A response with these members."""
    return Answer(status, encoded(members), True, _CLOSE if close else ())


def granted(found: Granted) -> dict[str, Any]:
    """Of a wait that was granted. At least once: it comes again until it is acknowledged. At most once: never again."""
    grant, now = found
    members = _of(grant, now)
    if grant.release is not None:
        members["payload"] = msgspec.Raw(grant.release.payload.encode())
        members["delivery"] = "at_most_once" if grant.auto else "at_least_once"
    return {"status": "granted", **members}


def _of(grant: Grant, now: int) -> dict[str, Any]:
    left_ms = max(0, (grant.expires - now) // 1000)
    return {"grant_id": grant.id, "fence": grant.fence, "payload": None, "lease_expires_in_ms": left_ms}


def pending(position: int) -> dict[str, Any]:
    """Of a wait whose time is up; the position is None where it has not got one, or has given it up."""
    return {"status": "pending", "position": position or None}


def of_outcome(outcome: Outcome) -> Answer:
    """Of a step that is answered with what became of it. Raises Failure."""
    refuse(outcome)
    return answer(200, {"status": outcome.status})


def refuse(outcome: Outcome) -> None:
    """Raises Failure where it was refused."""
    refused = _REFUSED.get(outcome.status)
    if refused is not None:
        status, code, message = refused
        raise Failure(status, code, message)


def standing(outcome: Outcome) -> dict[str, Any]:
    """How a lock stands."""
    holder = outcome.grant
    held = None
    if holder is not None and outcome.mode == "mutex":
        held = {"waiter_id": holder.waiter, "fence": holder.fence}
    return {
        "mode": outcome.mode or None,
        "holder": held,
        "fence": outcome.fence,
        "depth": outcome.position,
        "pending": outcome.pending,
        "granted": outcome.granted,
    }


def away(failure: StoreFailure) -> Failure:
    """The store could not do it: nothing has run, or nobody knows."""
    if not failure.ran:
        return Failure(503, "store_unavailable", failure.message)
    text = "The store was lost while it was at work: send it again with the same id, which does it once."
    return Failure(400, "connection_lost", text, outcome="unknown")
