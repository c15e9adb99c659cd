"""What `Pool.plan` asks its caller to do. Each is done once, in the order given."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from outlive.pool.slot import Slot
from outlive.pool.waiter import Waiter

S = TypeVar("S", bound=Slot)
W = TypeVar("W", bound=Waiter)

# Why a slot is closed (`Close.why`); `Pool.retire` and `retire_all` add the reasons of their callers.
AGE: Final = "max_age_s reached"
BUDGET: Final = "max_connections was lowered"
DRAIN: Final = "draining"
IDLE_TIMEOUT: Final = "idle_timeout_s reached"
KEY_SWITCH: Final = "its slot is needed for another key"


@dataclass(frozen=True, slots=True)
class Dial(Generic[S]):
    """Open a connection for `slot.key`, log in, then `ready` or `dial_failed`. The slot is counted already."""

    slot: S


@dataclass(frozen=True, slots=True)
class Close(Generic[S]):
    """Say goodbye (COM_QUIT, Terminate), read to the server's EOF, then `closed`. A `residue_of` is captured first."""

    slot: S
    why: str


@dataclass(frozen=True, slots=True)
class Convert(Generic[S]):
    """Log the connection in as `key` (COM_CHANGE_USER), set `slot.settings`, then `ready` or `dial_failed`.

    A `residue_of` is captured first.
    """

    slot: S
    key: Hashable


@dataclass(frozen=True, slots=True)
class Ping(Generic[S]):
    """Show that the connection lives (COM_PING), then `ready`; on no answer `closing` and `closed`."""

    slot: S


@dataclass(frozen=True, slots=True)
class Lend(Generic[S, W]):
    """`slot` is leased to `waiter`, which waits no longer. If the waiter cannot use it any more: `release`."""

    slot: S
    waiter: W


@dataclass(frozen=True, slots=True)
class Expire(Generic[W]):
    """The waiter's deadline has passed and it waits no longer: tell the client what was full and how long it waited."""

    waiter: W


@dataclass(frozen=True, slots=True)
class Refuse(Generic[W]):
    """The server refuses the login of the waiter's key: tell the client `refusal`, as given to `Pool.dial_failed`."""

    waiter: W
    refusal: object


Action: TypeAlias = Dial[S] | Close[S] | Convert[S] | Ping[S] | Lend[S, W] | Expire[W] | Refuse[W]
