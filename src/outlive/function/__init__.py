"""Recycling connections for code inside functions, which are frozen between requests and killed without notice.

Standard library only, and little of that: a cold start pays for each module. `outlive.function.sqlalchemy` is for
SQLAlchemy's pools. docs/remedies/recycle.md
"""

from outlive.function.recycling import recycled
from outlive.function.waiting import deadline

__all__ = ["deadline", "recycled"]
