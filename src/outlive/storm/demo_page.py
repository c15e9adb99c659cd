"""The demo's page: its runs, and how they were made."""

from outlive.storm.demo import TRANSACTION_IDLE_TIMEOUT_S, Demo
from outlive.storm.report import Fact, page
from outlive.storm.scenario import LOOK_EVERY_S
from outlive.storm.summary import sentences


def demo_page(demo: Demo) -> str:
    """HTML that needs nothing else. Both runs must be over."""
    title = f"{demo.size.functions} functions that never said goodbye"
    return page(title, sentences(*demo.records), demo.records, list(_facts(demo)))


def _facts(demo: Demo) -> list[Fact]:
    size, life = demo.size, demo.size.life
    return [
        Fact(
            "Functions",
            f"{size.functions} in {size.generations} generations. Each opens a connection with its first request (with "
            f"an unmodified driver, psycopg) and never closes it; it makes {life.requests} requests, {life.spacing_s:g}"
            " s apart, of one transaction each: an INSERT, and a SELECT whose answer is checked. After a refusal it "
            f"tries again with its next request. Every {life.unfinished_every}th dies inside a transaction that locks "
            "a row.",
        ),
        Fact("How they die", f"{demo.place.deaths[0].upper()}{demo.place.deaths[1:]}."),
        Fact(
            "Database",
            f"{demo.database} on this machine, started anew for each run, with max_connections = "
            f"{demo.max_connections}. Of these three are kept for superusers; one is the observer's.",
        ),
        Fact(
            "Connections",
            f"Counted in pg_stat_activity by that observer, every {LOOK_EVERY_S * 1000:.0f} ms. Dangling is a "
            "connection whose other end (address and port) was a function's that has vanished; through Outlive, one "
            "that is there when Outlive has ended.",
        ),
        Fact(
            "Requests",
            "Each function's own clock, the connect included where a request needs one. Refused: SQLSTATE 53300, no "
            "connection to be had.",
        ),
        Fact(
            "Outlive",
            f"One node, budget {demo.budget}, transaction_idle_timeout_s = {TRANSACTION_IDLE_TIMEOUT_S} in place of "
            "10, as these functions live for a second or two and not for minutes. All else is as it comes.",
        ),
        Fact(
            "End",
            f"{size.settle_s:g} s after the last generation's death the open transactions are counted; then Outlive is "
            "told to end, and what the database still counts dangles.",
        ),
    ]
