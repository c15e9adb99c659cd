"""Which connections end, and why: pure. Evidence decides, and never age alone unless that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from outlive.census.connection import Connection, Kind, State
from outlive.reaper.alive_hosts import Hosts, parse_hosts
from outlive.reaper.evidence import Evidence, Finding, Weight

PROVIDERS_USERS: Final = (
    "mysql.*",
    "mariadb.sys",
    "rdsadmin",
    "rdsrepladmin",
    "rdsproxyadmin",
    "rdstopmgr",
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlreplica",
    "cloudsqlsuperuser",
    "azure_superuser",
    "azure_pg_admin",
    "azuresu",
)
"""Users of the servers' own and of those who run databases for others; their connections are not the user's to end."""

_KINDS: Final = {
    Kind.REPLICATION: "it replicates",
    Kind.SERVER: "it is the server's own",
    Kind.LOGIN: "it has not logged in yet, and the server's login timeout ends it",
    Kind.HIDDEN: "what it does is not shown to this user",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Times are in seconds. Users and programs are patterns with * and ?, compared with case."""

    idle_s: float = 60.0
    """What was used within this time is left alone, whatever else is known of it."""
    age_alone_s: float | None = None
    """Idle for longer than this ends it where nothing is known of its owner. None: never."""
    transaction_s: float | None = None
    """One that is idle in a transaction ends only where that began longer ago than this. None: never."""
    only_users: tuple[str, ...] = ()
    never_users: tuple[str, ...] = ()
    never_programs: tuple[str, ...] = ()
    never_hosts: Hosts = parse_hosts("")  # noqa: RUF009 - immutable


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ends` and all reasons for it: those that spare it, or those that end it and what else is known."""

    connection: Connection
    ends: bool
    reasons: tuple[str, ...]
    doubtful: bool = False
    """Spared only because nothing is known of its owner."""


def judge(connection: Connection, rules: Rules, evidence: Evidence) -> Verdict:
    """Spared by a rule, by use, or by a sign of life; ended by evidence of its owner's end.

    That this very client has ended is certain, and wins over a sign of life of its host; that wins over all else.
    """
    spared = [*_never(connection, rules, evidence), *_in_use(connection, rules)]
    if spared:
        return Verdict(connection, False, tuple(spared))
    idle = f"idle for {seconds(connection.idle_s or 0.0)}"
    known = evidence.of(connection.host, connection.port)
    for weight in (Weight.GONE, Weight.LIVES, Weight.DEAD):
        counts = [finding.text for finding in known if finding.weight is weight]
        if counts:
            ends = weight is not Weight.LIVES
            return Verdict(connection, ends, (*counts, idle, *_rest(known, counts)) if ends else tuple(counts))
    return _unknown(connection, rules, known, idle)


def _unknown(connection: Connection, rules: Rules, known: list[Finding], idle: str) -> Verdict:
    texts = [finding.text for finding in known]
    if connection.awaits:
        texts.append(f"{connection.awaits}, so that its silence tells nothing")
    elif rules.age_alone_s is not None and (connection.idle_s or 0.0) >= rules.age_alone_s:
        return Verdict(connection, True, (f"{idle}, longer than {seconds(rules.age_alone_s)}", *texts))
    return Verdict(connection, False, (*texts, "nothing tells whether its owner lives"), doubtful=True)


def _rest(known: list[Finding], counts: list[str]) -> list[str]:
    return [
        f"although {finding.text}" for finding in known if finding.weight is Weight.LIVES and finding.text not in counts
    ]


def _never(connection: Connection, rules: Rules, evidence: Evidence) -> list[str]:
    """Rules that nothing overrides."""
    found = []
    if connection.kind is not Kind.CLIENT:
        found.append(_KINDS[connection.kind])
    if connection.is_outlive:
        found.append("it is Outlive's own, which ends by itself")
    if _matches(connection.user, PROVIDERS_USERS):
        found.append(f"{connection.user} is a user of the server's or its provider's own")
    if _matches(connection.user, rules.never_users):
        found.append(f"user {connection.user} is never ended")
    if connection.program and _matches(connection.program, rules.never_programs):
        found.append(f"program {connection.program} is never ended")
    if any(place in rules.never_hosts for place in evidence.places(connection.host)):
        found.append(f"host {connection.host} is never ended")
    if rules.only_users and not _matches(connection.user, rules.only_users):
        found.append(f"only connections of {', '.join(rules.only_users)} are asked for")
    if connection.kind is Kind.CLIENT and not connection.host:
        found.append("over a unix socket no end goes unnoticed")
    return found


def _in_use(connection: Connection, rules: Rules) -> list[str]:
    if connection.kind is not Kind.CLIENT:
        return []
    if connection.state is State.ENDING:
        return ["it is ending already"]
    if connection.state is State.UNKNOWN:
        return ["the database does not tell what it does"]
    if connection.idle_s is None:
        return ["a statement runs on it"]
    found = []
    if connection.idle_s < rules.idle_s:
        found.append(f"used {seconds(connection.idle_s)} ago, within {seconds(rules.idle_s)}")
    transaction = connection.transaction
    if transaction is not None or connection.state is State.IN_TRANSACTION:
        age_s = transaction.age_s if transaction is not None else 0.0
        if rules.transaction_s is None:
            found.append(f"in a transaction for {seconds(age_s)}, and --transactions is not given")
        elif age_s < rules.transaction_s:
            found.append(f"in a transaction for {seconds(age_s)} only")
    elif not connection.tells_transaction and rules.transaction_s is None:
        found.append("whether it is in a transaction is not shown to this user, and --transactions is not given")
    elif not connection.tells_transaction and connection.idle_s < (rules.transaction_s or 0.0):
        found.append("whether it is in a transaction is not shown to this user, and one may be younger")
    return found


def _matches(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def seconds(value: float) -> str:
    """A duration for people: 0.8 s, 42 s, 7 min, 3.2 h, 4 d."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    if value < 7200:
        return f"{value / 60:.0f} min"
    if value < 172800:
        return f"{value / 3600:.1f} h"
    return f"{value / 86400:.0f} d"
