"""PostgreSQL: direct, through PgBouncer, through Outlive."""

from .sections import PART, sections

__all__ = ["PART", "sections"]
