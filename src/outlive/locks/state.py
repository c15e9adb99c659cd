"""What a store keeps of one lock, and what may be asked of it. Pure data: times are microseconds of the store's clock.

Everything is written as arrays, in an order that the Redis store's script (redis/rules.lua) reads too.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Mode = Literal["signal", "mutex"]
Status = Literal[
    "granted",
    "pending",
    "released",
    "duplicate",
    "stale",
    "acked",
    "renewed",
    "left",
    "absent",
    "seen",
    "full",
    "other_mode",
]
US: Final = 1_000_000


class Limits(Struct, array_like=True, frozen=True):
    """How long things last, and how much there may be of each.

    `ack_us`: a signal that is not acknowledged for so long goes to the next; a mutex whose holder was not there to be
    told, too. `grace_us`: how long the place of a waiter that does not ask is kept. `remember_us`: how long an id is
    known after its release. `linger_us`: how long the last fence of a lock is kept after everything else.
    """

    ack_us: int = 10 * US
    grace_us: int = 10 * US
    remember_us: int = 60 * US
    linger_us: int = 600 * US
    max_waiters: int = 1000
    max_pending: int = 1000
    max_bytes: int = 1_048_576
    max_ids: int = 5000
    max_ended: int = 200


class Release(Struct, array_like=True):
    """A signal on its way. `order` is its place among the releases of its lock, `payload` JSON."""

    order: int
    expires: int
    payload: str


class Waiter(Struct, array_like=True):
    """One in the queue. It asks until `asks_until` at `node`, and its place is kept until `stays_until`.

    `auto`: it does not acknowledge, its node does before it answers; and it does not ask again.
    """

    id: str
    asks_until: int
    stays_until: int
    lease_us: int
    node: str
    auto: bool


class Grant(Struct, array_like=True):
    """What a waiter was given: a signal until it is acknowledged, a mutex until it is released, both until `expires`.

    `told`: its holder has shown that it knows of it; what is `auto` is consumed by that.
    """

    id: str
    fence: int
    waiter: str
    node: str
    expires: int
    lease_us: int
    auto: bool
    told: bool
    release: Release | None = None


class Lock(Struct, array_like=True):
    """All of one lock. `known`: ids of releases and of grants that are over, until when they are remembered."""

    mode: str = ""
    fence: int = 0
    released: int = 0
    waiters: list[Waiter] = []
    grants: list[Grant] = []
    pending: list[Release] = []
    known: dict[str, int] = {}


# -- what is asked ---------------------------------------------------------------------------------


class Wait(Struct, array_like=True, tag="wait", frozen=True):
    """Be granted the lock, or have a place in its queue. `salt` makes the grant's id unlike any other's."""

    waiter: str
    mode: Mode
    timeout_us: int
    lease_us: int
    node: str
    salt: str
    auto: bool = False


class Signal(Struct, array_like=True, tag="signal", frozen=True):
    """A release that one waiter consumes."""

    release_id: str
    payload: str
    ttl_us: int
    salt: str


class Unlock(Struct, array_like=True, tag="unlock", frozen=True):
    """A mutex's release by its holder."""

    grant_id: str
    fence: int
    salt: str


class Ack(Struct, array_like=True, tag="ack", frozen=True):
    """The signal was consumed."""

    grant_id: str
    salt: str


class Renew(Struct, array_like=True, tag="renew", frozen=True):
    """More time for a holder; 0 is as much as it asked for first."""

    grant_id: str
    lease_us: int
    salt: str


class Leave(Struct, array_like=True, tag="leave", frozen=True):
    """The waiter gives up its place, and what it was granted."""

    waiter: str
    salt: str


class Detach(Struct, array_like=True, tag="detach", frozen=True):
    """The waiter does not ask any more; nothing of a grant has reached it."""

    waiter: str
    salt: str


class Look(Struct, array_like=True, tag="look", frozen=True):
    """How it stands; also makes come true what has become due."""

    salt: str


Step = Wait | Signal | Unlock | Ack | Renew | Leave | Detach | Look


class Outcome(Struct, array_like=True):
    """What became of a step. `position` is the waiter's (1 is next) or the queue's length; `pending` and `granted`
    count signals that wait for a waiter, and grants.
    """

    status: Status
    position: int = 0
    mode: str = ""
    fence: int = 0
    pending: int = 0
    granted: int = 0
    grant: Grant | None = None


class Applied(Struct, array_like=True):
    """What became of some steps on one lock, at `now`. `version` is another one after each change.

    `due`: when something changes by itself that waiters wait for, 0 for never. `mine`: the grants of waiters of the
    node that asked. `others`: nodes whose waiters were granted something.
    """

    version: int
    now: int
    due: int
    outcomes: list[Outcome]
    mine: list[Grant]
    others: list[str]
