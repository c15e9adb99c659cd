"""Functions that connect to the database themselves: nothing done, recycled, reaped."""

from typing import Final

from outlive.advisor.arithmetic import Arithmetic, Line, milliseconds, number, percent
from outlive.advisor.queueing import erlang_b, load_for_refusals, most_at_once
from outlive.advisor.remedies.judgement import Figures, Judgement, is_tight, needs, obstacles_of
from outlive.storm.policy import POLICIES

TTL_MARGIN: Final = 1.1
"""The database's idle timeout beside connections that are recycled by age, in units of that age."""
ROUNDED_TO_NONE: Final = 0.0001
"""A share of refusals below which a remedy counts as refusing nothing: one in ten thousand."""


def nothing(arithmetic: Arithmetic) -> Judgement:
    """Each instance keeps its connection for its life, and leaves it behind."""
    question = arithmetic.question
    figures, lines = _kept(arithmetic, question.timeout_s)
    free = question.places - arithmetic.alive
    until_full = free / arithmetic.deaths_per_s
    lines.append(
        Line(
            "full after",
            f"(places - alive) / ending: ({question.places} - {arithmetic.alive}) / {number(arithmetic.deaths_per_s)}",
            "at once" if free <= 0 else f"{number(until_full)} s",
        )
    )
    most = question.places / (1 + arithmetic.generations + arithmetic.deployed)
    return Judgement(
        "nothing",
        "do nothing: each instance keeps its connection",
        "persistent",
        figures,
        lines,
        costs="nothing",
        stops=f"above {number(most)} instances alive, or when the database's timeout or the deployments grow",
        how="lower the database's timeout for idle connections if you can (wait_timeout; tcp_keepalives_idle)",
        obstacles=obstacles_of(arithmetic, figures),
        tight=is_tight(arithmetic, figures),
    )


def per_request(arithmetic: Arithmetic) -> Judgement:
    """Each request opens a connection and closes it."""
    question = arithmetic.question
    held_s = arithmetic.handshake_s + arithmetic.transaction_s + arithmetic.rtt_s / 2
    load = question.requests_per_s * held_s
    refused = erlang_b(question.places, load)
    added_ms = arithmetic.handshake_s * 1000
    figures = Figures(most_at_once(load), 0, question.requests_per_s, added_ms, added_ms, refused)
    most = min(load_for_refusals(question.places, ROUNDED_TO_NONE) / held_s, question.bears_per_s)
    lines = [
        Line(
            "a request holds a connection",
            f"handshake + transaction + close: {milliseconds(arithmetic.handshake_s)} + "
            f"{milliseconds(arithmetic.transaction_s)} + {milliseconds(arithmetic.rtt_s / 2)}",
            milliseconds(held_s),
        ),
        Line(
            "connections",
            f"Little's law: {number(question.requests_per_s)} a second x {milliseconds(held_s)}",
            f"{number(load)} in the mean, {figures.connections} in all but 0.1 % of the time",
        ),
        Line("refused", f"Erlang's B for {question.places} places, {number(load)} erlangs", percent(refused)),
        Line(
            "handshakes",
            f"one a request, each {added_ms:.3g} ms; the database is taken to bear {number(question.bears_per_s)}",
            f"{number(question.requests_per_s)} a second",
        ),
    ]
    return Judgement(
        "per-request",
        "recycle: a new connection for every request",
        "per-request",
        figures,
        lines,
        costs=f"{added_ms:.3g} ms more for every request, and the processor of the database for "
        f"{number(question.requests_per_s)} logins a second (with PostgreSQL a process each)",
        stops=f"above {number(most)} requests a second, or when the database answers more slowly: each slow second "
        "takes more connections, which makes it slower",
        how="outlive.function.recycled with the policy per_request, or a driver's connect and close in the handler",
        obstacles=obstacles_of(arithmetic, figures, needs(arithmetic, "code")),
        tight=is_tight(arithmetic, figures),
    )


def ttl(arithmetic: Arithmetic) -> Judgement:
    """Each instance renews its connection, so that the database may end idle ones soon."""
    policy = POLICIES["ttl"]
    assert policy.ttl_s is not None
    # Who lives never uses a connection that is older, so that the database may end what was idle for as long.
    kept_s = min(policy.ttl_s * TTL_MARGIN, arithmetic.question.timeout_s)
    figures, lines = _kept(arithmetic, kept_s, renewed_s=policy.ttl_s)
    lines.insert(
        0,
        Line(
            "the database's timeout",
            f"a tenth above the connections' age: {number(policy.ttl_s)} s",
            f"{number(kept_s)} s",
        ),
    )
    most = arithmetic.question.places / (1 + kept_s / arithmetic.question.lifetime_s + _bursts(arithmetic, kept_s))
    return Judgement(
        "ttl",
        f"recycle: a new connection every {policy.ttl_s:.0f} s, and the database's idle timeout lowered to it",
        "ttl",
        figures,
        lines,
        costs="one request in each such time pays the handshake; other users of the database meet its shorter timeout. "
        "Without that timeout it changes nothing: the last connection of each instance dangles as before",
        stops=f"above {number(most)} instances alive; or where the database's timeout may not be changed",
        how="outlive.function.recycled with ttl; wait_timeout (MySQL) or idle_session_timeout (PostgreSQL) above it",
        obstacles=obstacles_of(arithmetic, figures, needs(arithmetic, "code")),
        tight=is_tight(arithmetic, figures),
    )


def reap(arithmetic: Arithmetic) -> Judgement:
    """As nothing, and something beside it ends the connections of the dead."""
    policy = POLICIES["reaper"]
    assert policy.reap_idle_s is not None
    assert policy.reap_every_s is not None
    kept_s = min(policy.reap_idle_s + policy.reap_every_s, arithmetic.question.timeout_s)
    figures, lines = _kept(arithmetic, kept_s)
    lines.insert(
        0,
        Line(
            "a dead connection stays",
            f"idle time asked for + time between rounds: {policy.reap_idle_s:.0f} + {policy.reap_every_s:.0f} s",
            f"{number(kept_s)} s",
        ),
    )
    most = arithmetic.question.places / (1 + kept_s / arithmetic.question.lifetime_s + _bursts(arithmetic, kept_s))
    return Judgement(
        "reap",
        "reap: something beside the database ends the connections of the dead",
        "reaper",
        figures,
        lines,
        costs="one connection and an account that may end others', and a watcher that is itself watched",
        stops=f"above {number(most)} instances alive: it makes room after the dead, none for the living; and where the "
        "dead cannot be told from the frozen (no list of living hosts), it ends the connections of both",
        how="outlive reap URL --watch 60s --apply",
        obstacles=obstacles_of(arithmetic, figures),
        tight=is_tight(arithmetic, figures),
    )


def _bursts(arithmetic: Arithmetic, kept_s: float) -> int:
    return (arithmetic.dangling(kept_s) > arithmetic.dangling(0)) * bool(arithmetic.question.deployments_per_day)


def _kept(arithmetic: Arithmetic, kept_s: float, renewed_s: float | None = None) -> tuple[Figures, list[Line]]:
    """A connection for each instance, and those of the dead for `kept_s` more."""
    question = arithmetic.question
    dangling = arithmetic.dangling(kept_s)
    connections = arithmetic.alive + dangling
    # A place is taken for a life and what comes after; who finds none asks again with each request, in vain.
    load = arithmetic.alive * (1 + kept_s / question.lifetime_s)
    refused = erlang_b(question.places, load)
    life_s = question.lifetime_s if renewed_s is None else min(renewed_s, question.lifetime_s)
    handshakes = arithmetic.alive / life_s
    share = min(1.0, handshakes / question.requests_per_s)
    slow_ms = arithmetic.handshake_s * 1000
    figures = Figures(connections, dangling, handshakes, slow_ms * share, slow_ms if share > 0.01 else 0.0, refused)
    lines = [
        Line(
            "dangling",
            f"ending x time kept + alive at each deployment: {number(arithmetic.deaths_per_s)} x {number(kept_s)} s",
            str(dangling),
        ),
        Line("connections", f"alive + dangling: {arithmetic.alive} + {dangling}", str(connections)),
        Line(
            "refused, without deployments",
            f"Erlang's B for {question.places} places and {number(load)} erlangs: alive x (1 + {number(kept_s)} s / "
            f"{number(question.lifetime_s)} s)",
            percent(refused),
        ),
        Line(
            "handshakes",
            f"alive / {number(life_s)} s",
            f"{number(handshakes)} a second, in {percent(share)} of the requests",
        ),
    ]
    return figures, lines
