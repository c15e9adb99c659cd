"""Redis: redis-benchmark direct, through Outlive and through twemproxy; Upstash's dialect beside webdis."""

from .sections import PART, sections

__all__ = ["PART", "sections"]
