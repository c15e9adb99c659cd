"""The last remedy: less of one database."""

from math import ceil

from outlive.advisor.arithmetic import Arithmetic, Line
from outlive.advisor.remedies.judgement import Figures, Judgement, needs, obstacles_of
from outlive.advisor.stateless import INTERFACES, interfaces_of


def elsewhere(arithmetic: Arithmetic) -> Judgement:
    """Divide and conquer: the data over several databases, or in one that has no connections."""
    question = arithmetic.question
    needed = arithmetic.alive + arithmetic.dangling(question.timeout_s)
    parts = ceil(needed / question.places)
    figures = Figures(0, 0, 0.0, 0.0, 0.0, 0.0)
    known = interfaces_of(question.database)
    names = "; ".join(f"{each.database}: {each.name}" for each in known) or "none in the table for this database"
    lines = [
        Line(
            "databases, if only divided",
            f"connections needed / places of one: {needed} / {question.places}",
            f"{parts}, each with functions of its own",
        ),
        Line("connections, if stateless", "requests, not connections, are what such a database counts", "0"),
        Line("ways to this database without connections", "docs/remedies/stateless.md", names),
    ]
    return Judgement(
        "stateless",
        "divide and conquer: a stateless database, or one for each part of the system",
        None,
        figures,
        lines,
        costs="a migration, and what transactions over all of the data were good for; limits of size and time for each "
        "request",
        stops="when what belongs together is in two places, or results outgrow the interface's limits",
        how=f"the table of {len(INTERFACES)} interfaces in docs/remedies/stateless.md",
        obstacles=obstacles_of(
            arithmetic,
            figures,
            needs(arithmetic, "code"),
            "" if question.migration else "the data cannot move",
        ),
    )
