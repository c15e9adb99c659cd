"""What a pool does without being asked: deadlines, ages, pings, idle connections, growth."""

from __future__ import annotations

from math import inf
from typing import Final

from outlive.pool.actions import AGE, DRAIN, IDLE_TIMEOUT, Dial, Expire, Ping, S, W
from outlive.pool.books import Books
from outlive.pool.groups import full_groups
from outlive.pool.keypool import KeyPool
from outlive.pool.slot import CHECKING, IDLE
from outlive.pool.switching import head_of_queue, may_help, switch_at

# Ages, pings and idle timeouts are looked at this often; they are long against it.
SWEEP_S: Final = 1.0
# A slot that has been on its way for this long no longer keeps others from being switched to its key: its server may be
# slow or gone, and its waiters would wait behind it while slots of other keys come free.
PROMISE_S: Final = 1.0
# Looking at all deadlines of a long queue is not free, so they are looked at no more often than this.
EXPIRY_S: Final = 0.05


def expire_waiters(books: Books[S, W], now: float) -> None:
    if now < books.earliest_deadline or now < books.next_expiry:
        return
    books.next_expiry = now + EXPIRY_S
    earliest = inf
    for keypool in list(books.waiting.values()):
        for waiter in list(keypool.waiters):
            if waiter.deadline <= now:
                books.leave(waiter)
                books.actions.append(Expire(waiter))
            else:
                earliest = min(earliest, waiter.deadline)
    books.earliest_deadline = earliest


def sweep(books: Books[S, W], now: float) -> None:
    if now < books.next_sweep:
        return
    books.next_sweep = now + SWEEP_S
    for slot in books.idle_slots() + [slot for slot in books.control_pool.idle if slot.state == IDLE]:
        look_after(books, slot, now)
    for slot in books.slots:
        if slot.incoming_to is not None and now - slot.expected_since >= PROMISE_S:
            books.expect(slot, None)
    for keypool in [keypool for keypool in books.keypools.values() if keypool.forgettable]:
        if now >= keypool.backoff.retry_at:
            del books.keypools[keypool.key]


def look_after(books: Books[S, W], slot: S, now: float) -> None:
    limits = books.limits
    if now >= slot.expires_at and not books.backoff.failures:
        books.close(slot, AGE)
    elif now - slot.idle_since >= limits.idle_timeout_s and len(slot.keypool.idle) > slot.keypool.min_idle:
        books.close(slot, IDLE_TIMEOUT)
    elif now - slot.seen_at >= limits.ping_interval_s:
        slot.state = CHECKING
        books.actions.append(Ping(slot))


def grow(books: Books[S, W], now: float) -> None:
    while books.may_open and now >= books.backoff.retry_at:
        head = head_of_queue(books, to_open=True)
        wanted = books.keypools[head.key] if head is not None else key_below_min_idle(books, now)
        if wanted is None:
            return
        books.actions.append(Dial(books.open(wanted.key)))


def key_below_min_idle(books: Books[S, W], now: float) -> KeyPool[S, W] | None:
    if books.waiting or books.draining:
        return None
    most = books.limits.max_per_key
    for keypool in books.kept.values():
        enough = len(keypool.idle) + keypool.incoming >= keypool.min_idle
        may_grow = (most is None or keypool.size < most) and not full_groups(books, keypool.key)
        if not enough and now >= keypool.backoff.retry_at and may_grow:
            return keypool
    return None


def close_drained(books: Books[S, W]) -> None:
    """While draining nothing stays idle; control connections go last, since leases that end badly need their KILL."""
    if not books.draining or books.waiting:
        return
    for slot in books.idle_slots():
        books.close(slot, DRAIN)
    if not books.slots:
        for slot in [slot for slot in books.control_pool.idle if slot.state == IDLE]:
            books.close(slot, DRAIN)


def next_wakeup(books: Books[S, W], now: float) -> float:
    wakeup = inf
    if books.slots or books.control or books.kept or books.keypools:
        wakeup = books.next_sweep
    if not books.waiting:
        return wakeup
    wakeup = min(wakeup, max(books.earliest_deadline, books.next_expiry))
    if books.paused:
        return wakeup
    retries = [keypool.backoff.retry_at for keypool in books.waiting.values()]
    if books.may_open:
        retries.append(books.backoff.retry_at)
    wakeup = min([wakeup, *(at for at in retries if at > now)])
    head = head_of_queue(books)
    if head is not None:
        switches = [
            switch_at(books, slot, head)
            for slot in books.idle_slots()
            if slot.key != head.key and may_help(books, slot, head)
        ]
        wakeup = min([wakeup, *switches])
    return wakeup
