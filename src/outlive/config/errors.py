"""What a configuration is refused with: one sentence, where it stands, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong.

    `path` is the option's dotted path; `source` is the file (then `line` counts from 1 in it), the URL or the
    environment it stands in, and "" where that is not known.
    """

    sentence: str
    remedy: str
    path: str = ""
    source: str = ""
    line: int | None = None

    def where(self) -> str:
        """`source:line: path`, as far as it is known."""
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.path) if part)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where(), f"{self.sentence} {self.remedy}".strip()) if part)


class ConfigError(Exception):
    """The configuration is refused; `problems` has every reason that was found, at least one. Holds no secret."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def sentence(self) -> str:
        """The first problem's sentence."""
        return self.problems[0].sentence

    @property
    def remedy(self) -> str:
        """The first problem's remedy."""
        return self.problems[0].remedy
