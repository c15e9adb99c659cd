"""Which waiter gets a slot, and when a slot changes its key for the head of the queue.

All keys share one FIFO. A strict one would log in anew for nearly every lease as soon as two keys are busy, so a slot
serves its own key on for up to `key_switch_after_ms`, counted from when the head began to wait, or from when the slot
began to serve its key if that was later: in a long queue everyone has waited that long, and every lease would switch.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import Final

from outlive.pool.actions import KEY_SWITCH, Lend, S, W
from outlive.pool.books import Books
from outlive.pool.groups import full_groups, has_donor, in_groups, in_some_group, short_groups
from outlive.pool.keypool import KeyPool
from outlive.pool.slot import CLOSING, IDLE

# A slot that nobody of its own key asks for is given away after this part of key_switch_after_ms: its last client
# often comes back within a few milliseconds, and a switch there and back costs more than that.
LINGER: Final = 0.1
# A waiter that needs a place in two full groups keeps others from the first that comes free, every other time of this
# length: leases are short as a rule, and then it is served; behind a long one nobody waits for nothing for longer.
CLAIM_S: Final = 1.0


def head_of_queue(
    books: Books[S, W], own: KeyPool[S, W] | None = None, *, at_hand: S | None = None, to_open: bool = False
) -> W | None:
    """The first waiter for whom no slot is on its way, and whose key may have another one (or is `own`): the slot
    `at_hand`, or a new one (`to_open`), or either that or one that rests.
    """
    if books.limits.groups is not None:
        return _head_of_groups(books, own, at_hand=at_hand, to_open=to_open)
    head: W | None = None
    for keypool in books.waiting.values():
        waiter = keypool.first_uncovered()
        if waiter is None or (head is not None and head.ticket < waiter.ticket):
            continue
        if keypool is own or may_gain(books, waiter, at_hand=at_hand, to_open=to_open):
            head = waiter
    return head


def _head_of_groups(books: Books[S, W], own: KeyPool[S, W] | None, *, at_hand: S | None, to_open: bool) -> W | None:
    """As `head_of_queue`; who waits for a second place keeps the first from those behind it."""
    groups = books.limits.groups
    assert groups is not None
    waiters = [waiter for keypool in books.waiting.values() if (waiter := keypool.first_uncovered()) is not None]
    claimed: list[Hashable] = []
    for waiter in sorted(waiters, key=lambda waiter: waiter.ticket):
        keypool = books.keypools[waiter.key]
        if keypool is own:
            return waiter
        if not in_some_group(books, waiter.key, claimed) and may_gain(books, waiter, at_hand=at_hand, to_open=to_open):
            return waiter
        if _claims(books, waiter) and full_groups(books, waiter.key):
            claimed += [group for group, _ in groups(waiter.key)]
    return None


def _claims(books: Books[S, W], waiter: W) -> bool:
    """Whether it is its turn to have places made for it one by one, and kept."""
    waited_s = books.now - waiter.waiting_since
    return waited_s >= books.limits.key_switch_after_ms / 1000.0 and int(waited_s / CLAIM_S) % 2 == 0


def may_gain(books: Books[S, W], waiter: W, *, at_hand: S | None = None, to_open: bool = False) -> bool:
    """Whether the waiter's key may have one more slot: it is below its maximum, and its login was not refused just now.
    In a group that is full it may have one in the place of another one of the group.
    """
    keypool = books.keypools[waiter.key]
    if keypool.backoff.retry_at > books.now:
        return False
    most = books.limits.max_per_key
    if most is not None:
        promised = sum(slot.incoming_to is keypool and slot.state == CLOSING for slot in books.slots)
        if keypool.size + promised >= most:
            return False
    full = full_groups(books, keypool.key)
    if not full or to_open:
        return not full
    if at_hand is not None:
        return may_help(books, at_hand, waiter)
    some = _claims(books, waiter)
    return has_donor(books, keypool, short_groups(books, keypool.key) if some else full, some=some)


def may_become(books: Books[S, W], slot: S, key: Hashable) -> bool:
    """Whether the slot, of another key, may be switched to this key as far as the groups go."""
    return in_groups(books, slot.keypool.key, full_groups(books, key))


def may_help(books: Books[S, W], slot: S, waiter: W) -> bool:
    """Whether the slot, of another key, may be switched to the waiter's, or ends to make a place in one group of it."""
    if may_become(books, slot, waiter.key):
        return True
    return _claims(books, waiter) and in_some_group(books, slot.keypool.key, short_groups(books, waiter.key))


def _give(books: Books[S, W], slot: S, keypool: KeyPool[S, W]) -> None:
    """The slot is given up for another key: switched to it where one place is enough."""
    if may_become(books, slot, keypool.key):
        books.convert(slot, keypool)
    else:
        books.close(slot, KEY_SWITCH)


def switch_at(books: Books[S, W], slot: S, head: W) -> float:
    """From when on `slot`, of another key, is to be switched to the key of `head`."""
    dials_fail = books.backoff.failures > 0
    if dials_fail and not books.convertible(slot, head.key):
        return inf  # it would be closed, and nothing would come in its place
    patience_s = books.limits.key_switch_after_ms / 1000.0
    overtaken_enough = max(head.waiting_since, slot.switched_at) + patience_s
    grows = books.has_room and not dials_fail and not full_groups(books, head.key)
    if slot.state != IDLE or slot.keypool.waiters or grows:
        return overtaken_enough
    return min(overtaken_enough, slot.idle_since + patience_s * LINGER)


def choose(books: Books[S, W], slot: S, now: float) -> W | None:
    """The waiter that a slot at hand is lent to, if any. The slot may be switched to another key instead."""
    keypool = slot.keypool
    if not keypool.waiters or len(books.waiting) > 1:
        head = head_of_queue(books, keypool, at_hand=slot)
        if head is not None and head.key != keypool.key and switch_at(books, slot, head) <= now:
            _give(books, slot, books.keypools[head.key])
            return None
        if not keypool.waiters:
            return None
    waiter: W = next(iter(keypool.waiters))
    books.lend(slot, waiter)
    return waiter


def serve_waiters(books: Books[S, W], now: float) -> None:
    """Lend and switch what is idle: first for the head of the queue, then for those who may overtake it."""
    while (head := head_of_queue(books)) is not None:
        keypool = books.keypools[head.key]
        if lend_idle(books, keypool):
            continue
        donor = best_donor(books, head, now)
        if donor is None:
            break
        _give(books, donor, keypool)
    for keypool in list(books.waiting.values()):
        while keypool.waiters and lend_idle(books, keypool):
            pass


def lend_idle(books: Books[S, W], keypool: KeyPool[S, W]) -> bool:
    waiter = next(iter(keypool.waiters))
    slot = keypool.best_idle(waiter.settings, waiter)
    if slot is None:
        return False
    books.lend(slot, waiter)
    books.actions.append(Lend(slot, waiter))
    return True


def best_donor(books: Books[S, W], head: W, now: float) -> S | None:
    """The idle slot of another key that is least missed."""
    due = [
        slot
        for slot in books.idle_slots()
        if slot.key != head.key and may_help(books, slot, head) and switch_at(books, slot, head) <= now
    ]
    return min(
        due,
        key=lambda slot: (
            not may_become(books, slot, head.key),
            not books.convertible(slot, head.key),
            slot.residue_of is not None,
            len(slot.keypool.idle) <= slot.keypool.min_idle,
            slot.idle_since,
        ),
        default=None,
    )
