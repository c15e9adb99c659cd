"""What `outlive reap` shows people of a round."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from outlive.cli.output import printable
from outlive.reaper.hands import Outcome
from outlive.reaper.round import Round
from outlive.reaper.rules import seconds

_SHOWN: Final = 40
"""Lines of the table; --json has all."""


def show_round(done: Round, where: str, *, everything: bool) -> None:
    """The table of those that end (`everything`: of all) with their reasons, and what it comes to in sentences."""
    console = Console()
    verdicts = [verdict for verdict in done.verdicts if verdict.ends or everything]
    if verdicts:
        table = Table(title=f"{where}: {done.connections} connections", title_justify="left")
        for column in ("id", "user", "from", "program", "idle", "", "why"):
            table.add_column(column, justify="right" if column in ("id", "idle") else "left")
        for verdict in verdicts[:_SHOWN]:
            found = verdict.connection
            outcome = done.outcomes.get(found.id)
            what = ("ends" if outcome is None else outcome.value) if verdict.ends else "stays"
            cells = (
                str(found.id),
                found.user,
                f"{found.host}:{found.port}" if found.host else "",
                found.program,
                "" if found.idle_s is None else seconds(found.idle_s),
                what,
                "; ".join(verdict.reasons),
            )
            table.add_row(*(escape(printable(cell)[:200]) for cell in cells))
        console.print(table)
        if len(verdicts) > _SHOWN:
            console.print(f"... and {len(verdicts) - _SHOWN} more: --json has all.", markup=False, highlight=False)
    for line in _sentences(done, where):
        console.print(line, markup=False, highlight=False)


def _sentences(done: Round, where: str) -> list[str]:
    dangling = len(done.dangling)
    lines = [f"{where}: {dangling} of {done.connections} connections are dangling."]
    if done.applied and dangling:
        counts = Counter(outcome.value for outcome in done.outcomes.values())
        said = ", ".join(f"{counts[outcome.value]} {outcome.value}" for outcome in Outcome if counts[outcome.value])
        lines.append(f"Of them: {said}{f', {done.left} left for the next round (--max-kills)' if done.left else ''}.")
    elif dangling:
        lines.append("Nothing was ended: --apply does it.")
    if done.doubtful:
        lines.append(
            f"{done.doubtful} more are idle and nothing tells whether their owners live: --alive-hosts FILE or --probe"
            " tells, --age-alone 8h goes by age."
        )
    return lines + list(done.blind)
