"""`outlive reap`: ends dangling connections of a database that is not behind Outlive."""

from __future__ import annotations

import asyncio
import json as encoder
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outlive.cli.durations import duration
from outlive.cli.output import FAILED, OK, USAGE, report, say

if TYPE_CHECKING:
    from outlive.reaper.reaper import Reaper
    from outlive.reaper.round import Round

_DURATION = "DURATION"
_SHORTEST_S = 0.1


def reap(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="mysql://, postgresql:// or redis://, of an operator [OUTLIVE_URL]."),
    ] = None,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="End them. Without this they are only shown.")] = False,
    idle: Annotated[
        float, typer.Option(parser=duration, metavar=_DURATION, help="What was used since is left alone.")
    ] = "60s",  # type: ignore[assignment]
    alive_hosts: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Hosts known to live, one a line (- for standard input); others are dead."),
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Try a TCP connection to each client's host.")] = False,
    probe_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="To this port [the client's own, which a living host refuses].")
    ] = None,
    age_alone: Annotated[
        float | None,
        typer.Option(parser=duration, metavar=_DURATION, help="End what is idle longer, where nothing is known of it."),
    ] = None,
    transactions: Annotated[
        float | None,
        typer.Option(parser=duration, metavar=_DURATION, help="End those in a transaction too, if it is older."),
    ] = None,
    user: Annotated[list[str] | None, typer.Option(metavar="USER", help="Only this user's (* and ? match).")] = None,
    never_user: Annotated[list[str] | None, typer.Option(metavar="USER", help="Never this user's.")] = None,
    never_program: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Never this program's.")] = None,
    never_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Never from this host or network (10.0.3.0/24).")
    ] = None,
    max_kills: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many a round.")] = 100,
    watch: Annotated[
        float | None, typer.Option(parser=duration, metavar=_DURATION, help="A round each so often, until SIGTERM.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With --watch: figures for Prometheus.")
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Tried when the database is full (admin_port, extra_port)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show those that are spared, too.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output; --watch: one a round.")
    ] = False,
) -> int:
    """End connections whose owners are gone, by evidence. Without --apply it only shows which, and why.

    Exit status: 0 it was done, 1 it could not be (all of it), 2 wrong arguments.
    """
    from outlive.census.errors import CensusError
    from outlive.cli.target import database_of, failed
    from outlive.config.addresses import parse_address
    from outlive.reaper.alive_hosts import HostsError, parse_hosts
    from outlive.reaper.reaper import Reaper
    from outlive.reaper.round import Plan
    from outlive.reaper.rules import Rules

    database = database_of(url)
    obstacle = _obstacle(idle, watch, metrics, alive_hosts)
    if obstacle:
        say(obstacle)
        return USAGE
    try:
        rules = Rules(
            idle_s=idle,
            age_alone_s=age_alone,
            transaction_s=transactions,
            only_users=tuple(user or ()),
            never_users=tuple(never_user or ()),
            never_programs=tuple(never_program or ()),
            never_hosts=parse_hosts("\n".join(never_host or ())),
        )
        if rules.never_hosts.by_port:
            say("--never-host names hosts and networks: leave the port out.")
            return USAGE
        address = None if metrics is None else parse_address(metrics, lowest_port=0)
    except (HostsError, ValueError) as error:
        say(str(error))
        return USAGE
    plan = Plan(rules, apply, max_kills, probe, probe_port)
    try:
        reaper = Reaper(database, plan, alive_hosts=alive_hosts, admin_port=admin_port, every_s=watch or 0.0)
        if watch is None:
            return asyncio.run(_once(reaper, json=json, everything=everything))
        return asyncio.run(_watch(reaper, address, json=json))
    except (CensusError, HostsError) as error:
        return failed(error, json=json)


def _obstacle(idle_s: float, watch_s: float | None, metrics: str | None, alive_hosts: str | None) -> str:
    """What does not go together; empty where all does."""
    if min(idle_s, idle_s if watch_s is None else watch_s) < _SHORTEST_S:
        return "--idle and --watch are at least 100ms: what was used just now cannot be told from what is used."
    if watch_s is None and metrics is not None:
        return "--metrics is for --watch: a single round shows its figures at its end."
    if watch_s is not None and alive_hosts == "-":
        return "--watch reads the list of hosts at each round, and standard input can be read once: name a file."
    return ""


async def _once(reaper: Reaper, *, json: bool, everything: bool) -> int:
    try:
        done = await reaper.once()
        shown = {"database": reaper.session.product, "address": str(reaper.session.address)}
    finally:
        await reaper.close()
    if json:
        report({**shown, **done.as_json()})
    else:
        from outlive.cli.verdicts import show_round

        show_round(done, f"{shown['database']} at {shown['address']}", everything=everything)
    if done.failed:
        _say_failed(done)
    return FAILED if done.failed else OK


def _say_failed(done: Round) -> None:
    from outlive.reaper.hands import Outcome

    refused, remains = done.count(Outcome.REFUSED), done.count(Outcome.REMAINS)
    if refused:
        say(f"{refused} kills were refused to this user: docs/remedies/reap.md says what to grant.")
    if remains:
        say(f"{remains} connections were killed and are still listed: what they undo takes its time, look again later.")


async def _watch(reaper: Reaper, address: Any, *, json: bool) -> int:
    from outlive.observe import log

    log.configure()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if address is not None:
        port = reaper.metrics.serve(address)
        say(f"Figures for Prometheus at {address.host}:{port}.")

    def show(done: Round) -> None:
        if json:
            sys.stdout.write(encoder.dumps(_brief(done)) + "\n")
            sys.stdout.flush()

    try:
        await reaper.watch(stop, show)
    finally:
        await reaper.close()
    return OK


def _brief(done: Round) -> dict[str, Any]:
    """A round of many: the spared ones are left out."""
    found = done.as_json()
    found["verdicts"] = [verdict for verdict in found["verdicts"] if verdict["ends"]]
    return found
