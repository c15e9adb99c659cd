"""The answer to a question: every remedy, judged and ranked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from outlive.advisor.arithmetic import Arithmetic, Line
from outlive.advisor.question import Question
from outlive.advisor.remedies.direct import nothing, per_request, reap, ttl
from outlive.advisor.remedies.elsewhere import elsewhere
from outlive.advisor.remedies.judgement import Judge, Judgement
from outlive.advisor.remedies.layers import containers, http, proxy, service

BY_EFFORT: Final[Sequence[Judge]] = (
    nothing,
    reap,
    per_request,
    ttl,
    proxy,
    http,
    containers,
    service,
    elsewhere,
)
"""From no change, to something beside, to the functions' code, to one more service, to another system."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`ranked`: those that fit, by effort, tight ones behind those with room; then the others, by what is against them:
    fewer reasons first, then less overloaded, then less effort.
    """

    question: Question
    lines: Sequence[Line]
    ranked: Sequence[Judgement]

    @property
    def best(self) -> Judgement | None:
        """The first that fits; None: none does."""
        return self.ranked[0] if self.ranked[0].fits else None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "question": self.question.as_json(),
            "arithmetic": [asdict(line) for line in self.lines],
            "best": self.best.name if self.best else None,
            "remedies": {each.name: {"rank": rank, **each.as_json()} for rank, each in enumerate(self.ranked, 1)},
        }


def answer(question: Question) -> Answer:
    """Judge all remedies."""
    arithmetic = Arithmetic(question)
    judged = [(effort, judge(arithmetic)) for effort, judge in enumerate(BY_EFFORT)]

    def rank(item: tuple[int, Judgement]) -> tuple[float, ...]:
        effort, judgement = item
        over = judgement.figures.connections / question.places
        if judgement.fits:
            return (0, judgement.tight, effort)
        return (1, len(judgement.obstacles), max(over, 1.0), effort)

    return Answer(question, arithmetic.lines(), [judgement for _, judgement in sorted(judged, key=rank)])
