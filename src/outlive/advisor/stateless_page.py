"""docs/remedies/stateless.md, from the one table: `python -m outlive.advisor.stateless_page`, on standard output."""

import sys
from typing import Final

from outlive.advisor.stateless import INTERFACES, Interface

_HEAD: Final = """# Databases without connections

A database that answers HTTP, each request by itself, has no connections that functions could leave behind. It fits
where the data is there already or may move there (the last remedy of [advise.md](advise.md)): the limit is then one of
requests and of their sizes. What a connection gave is gone with it: transactions over several round trips, session
state, prepared statements, and the latency of a connection that is warm.

This page is made from src/outlive/advisor/stateless.py by `python -m outlive.advisor.stateless_page`. Each row says
what its source said in the year in brackets; what could not be checked is left out ("-"). Limits change: read the
source first.

| database | interface | what it is | transactions | limits that matter | authentication | source |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"| {' | '.join(_cells(each))} |\n" for each in INTERFACES)


def _cells(each: Interface) -> list[str]:
    name = each.name if each.maintained else f"{each.name} (**ended or deprecated**)"
    source = f"{each.source} [{each.checked}]"
    return [each.database, name, each.what, each.transactions, each.limits, each.authentication, source]


if __name__ == "__main__":
    sys.stdout.write(page())
