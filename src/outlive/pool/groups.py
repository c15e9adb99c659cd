"""Limits that several keys have in common: most connections of one user, or to one database.

A key whose group is full may still have a connection in place of another one of the group. Where two groups of it are
full (its user's and its database's) no one connection may be in both: then one of each is closed, and until both places
are free those who came later do not get the first of them.
"""

from __future__ import annotations

from collections.abc import Hashable

from outlive.pool.actions import S, W
from outlive.pool.books import Books
from outlive.pool.keypool import KeyPool
from outlive.pool.slot import CLOSING, IDLE


def full_groups(books: Books[S, W], key: Hashable) -> list[Hashable]:
    """Those of the key's groups that have as many connections as they may; the promised ones count."""
    groups = books.limits.groups
    if groups is None:
        return []
    return [group for group, most in groups(key) if _size(books, group) >= most]


def short_groups(books: Books[S, W], key: Hashable) -> list[Hashable]:
    """Those of the key's groups that will be full even when all that closes has closed."""
    groups = books.limits.groups
    if groups is None:
        return []
    return [group for group, most in groups(key) if _size(books, group) - _leaving(books, group) >= most]


def _size(books: Books[S, W], group: Hashable) -> int:
    return sum(in_groups(books, slot.keypool.key, [group]) or _is_promised(books, slot, group) for slot in books.slots)


def _leaving(books: Books[S, W], group: Hashable) -> int:
    return sum(
        slot.state == CLOSING and in_groups(books, slot.keypool.key, [group]) and not _is_promised(books, slot, group)
        for slot in books.slots
    )


def _is_promised(books: Books[S, W], slot: S, group: Hashable) -> bool:
    """Whether it closes for a key of the group, which is to have the next one."""
    return slot.state == CLOSING and slot.incoming_to is not None and in_groups(books, slot.incoming_to.key, [group])


def over_groups(books: Books[S, W], key: Hashable) -> bool:
    """Whether a group of the key has more connections than it may, after a reload; those that close do not count."""
    groups = books.limits.groups
    if groups is None:
        return False
    staying = [slot.keypool.key for slot in books.slots if slot.state != CLOSING]
    return any(sum(in_groups(books, other, [group]) for other in staying) > most for group, most in groups(key))


def in_groups(books: Books[S, W], key: Hashable, wanted: list[Hashable]) -> bool:
    """Whether the key belongs to all of these groups."""
    groups = books.limits.groups
    if not wanted or groups is None:
        return not wanted
    own = [group for group, _ in groups(key)]
    return all(group in own for group in wanted)


def in_some_group(books: Books[S, W], key: Hashable, wanted: list[Hashable]) -> bool:
    """Whether the key belongs to one of these groups."""
    groups = books.limits.groups
    return groups is not None and any(group in wanted for group, _ in groups(key))


def has_donor(books: Books[S, W], keypool: KeyPool[S, W], wanted: list[Hashable], *, some: bool) -> bool:
    """Whether a connection of another key rests that is in all of these groups, or in `some` of them."""
    belongs = in_some_group if some else in_groups
    return any(
        other is not keypool and belongs(books, other.key, wanted) and any(slot.state == IDLE for slot in other.idle)
        for other in books.keypools.values()
    )
