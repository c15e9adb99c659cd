"""A run that never was, for pictures of it."""

from outlive.storm.protocol import Backend
from outlive.storm.record import Look, Record, Request


def record(name: str = "direct", *, budget: int | None = None, over: bool = True) -> Record:
    """Of 50 connections up to 40 were dangling; ten requests were answered in 20 ms each, and five refused."""
    made = Record(name, 50, budget, 3, functions=30)
    for tenth in range(60):
        dangling = min(40, tenth // 20 * 20)
        made.looks.append(Look(tenth / 10, dangling + tenth % 10, dangling, 0))
    for number in range(15):
        refused = number >= 10
        made.add(Request(number * 0.4, number // 5, "refused" if refused else "answered", "53300" * refused, 0.02))
    made.deaths += [2.0, 4.0, 5.9]
    made.see([Backend("192.0.2.2", 1, False)] * 40, 40)
    made.looks[-1] = Look(6.0, 40, 40, 0)
    made.dangling = 40
    made.seconds = 6.0 if over else 0.0
    return made
