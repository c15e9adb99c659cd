"""What a configuration is loaded from, kept so that SIGHUP can load it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Origin:
    """A file, URLs and flags, as the command line gave them; the environment is read at each load.

    `flags` is by option: `listen.mysql`, `listen.postgres`, `listen.redis`, `listen.tcp`, `listen.http`,
    `listen.admin`, or a top-level one. URLs may hold passwords, so `repr` shows only how many there are.
    """

    path: str | None = None
    urls: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Origin(path={self.path!r}, urls=<{len(self.urls)}>)"
