"""Recycling connections for code inside functions, which are frozen between requests and killed without notice.

Little of the standard library only: a cold start pays for each module. docs/remedies/recycle.md
"""

from outlive.function.recycling import recycled
from outlive.function.waiting import deadline

__all__ = ["deadline", "recycled"]
