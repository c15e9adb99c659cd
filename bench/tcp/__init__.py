"""Any other protocol, shown with memcached: direct, through HAProxy in TCP mode, through Outlive."""

from .sections import PART, sections

__all__ = ["PART", "sections"]
