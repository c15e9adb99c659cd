"""Budget, slots, leases and waiters of one server: protocol-neutral and pure. Start at `Pool`."""

from outlive.pool.actions import Action, Close, Convert, Dial, Expire, Lend, Ping, Refuse
from outlive.pool.books import PoolError
from outlive.pool.limits import Limits
from outlive.pool.pool import Pool, never_convertible
from outlive.pool.slot import (
    CHECKING,
    CLOSED,
    CLOSING,
    CONVERTING,
    DIALING,
    IDLE,
    LEASED,
    STATE_NAMES,
    Slot,
)
from outlive.pool.waiter import Waiter

__all__ = [
    "CHECKING",
    "CLOSED",
    "CLOSING",
    "CONVERTING",
    "DIALING",
    "IDLE",
    "LEASED",
    "STATE_NAMES",
    "Action",
    "Close",
    "Convert",
    "Dial",
    "Expire",
    "Lend",
    "Limits",
    "Ping",
    "Pool",
    "PoolError",
    "Refuse",
    "Slot",
    "Waiter",
    "never_convertible",
]
