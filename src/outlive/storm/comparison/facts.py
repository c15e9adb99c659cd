"""How a storm was made, for those who want to believe it."""

from collections.abc import Iterator

from outlive.storm.comparison import words
from outlive.storm.run import LOOK_EVERY_S, SETTLE_S
from outlive.storm.storm import Storm

_DRIVERS = {"mysql": "aiomysql", "postgresql": "psycopg"}
_RTT = {
    "netem": "by the kernel's netem, on the links",
    "relay": "by a relay of the storm's own in the functions' process, as there is no netem here",
    "none": "none is added",
}


def facts(storm: Storm) -> Iterator[tuple[str, str]]:
    """Name and words of each."""
    load = storm.load
    yield (
        "Functions",
        f"{load.functions:,} instances for each remedy, in {load.generations} generations. An instance starts within "
        f"{load.arrival_s:g} s of its generation's beginning, because a request came, and serves one at a time; "
        f"more come at random, {load.rate_per_s:g} a second for each (an open model, seed {load.seed}). A request is a "
        f"transaction of four statements (BEGIN, INSERT, SELECT, COMMIT) with an unmodified driver, "
        f"{_DRIVERS[storm.scheme]}; what it reads is checked. It takes {load.database_s * 1000:g} ms at the database "
        f"and {load.invocation_s * 1000:g} ms in the function on average, and is given up after {load.timeout_s:g} s. "
        f"Every {load.unfinished_every}th instance dies inside a transaction that has locked a row.",
    )
    yield "How they die", f"{storm.deaths[:1].upper()}{storm.deaths[1:]}. {storm.seen}"
    yield (
        "Time",
        f"A generation lives {load.lifetime_s:g} s in place of ten minutes: one second stands for {words.scale(storm)} "
        "of lifetimes, and what remedies do every few minutes they do so much more often here. Round trips, "
        "transactions and waits in queues are as long as they are.",
    )
    yield "Round trips", f"{load.rtt_s * 1000:g} ms between functions and what they connect to, {_RTT[storm.rtt_by]}."
    yield (
        "Database",
        f"{storm.product}, max_connections = {storm.limit}, of which {storm.reserved} are reserved and {storm.others} "
        f"were taken when the storm began (two of them its own): {storm.places} places for functions.",
    )
    yield (
        "Connections",
        f"Counted at the database every {LOOK_EVERY_S * 1000:.0f} ms by an observer that had its connection first. "
        "Dangling is a connection whose function has vanished; of a proxy's connections one in a transaction of a dead "
        f"function {SETTLE_S:g} s after the last death, or one that is left when the proxy has ended.",
    )
    yield (
        "Refused",
        "No connection was to be had: the server or proxy said that it is full, or none came in time. Failed: the "
        "request had a connection, and no answer.",
    )
    yield (
        "Next generation served",
        "For the worst generation after the first: from its beginning to the first of its requests from which on 99 % "
        "are answered; at once if that is its first.",
    )
    for result in words.measured(storm):
        yield result.name, f"{result.policy.title}. {_settings(result.policy.as_json())}"
    for result in words.skipped(storm):
        yield result.name, f"skipped: {result.skipped}."


_SETTINGS = {
    "ttl_s": "a connection is renewed after {:g} s",
    "pool_processes": "{} processes",
    "pool_size": "{} connections each at most",
    "reap_idle_s": "ends what is idle for {:g} s",
    "reap_every_s": "looks every {:g} s",
    "budget": "budget {} connections",
    "queue_timeout_s": "a client waits {:g} s at most",
    "transaction_idle_s": "a silent transaction is rolled back after {:g} s",
    "client_idle_s": "a silent client is ended after {:g} s",
}


def _settings(policy: dict[str, object]) -> str:
    said = [words_.format(policy[name]) for name, words_ in _SETTINGS.items() if name in policy]
    return f"Here: {', '.join(said)}." if said else ""
