"""Functions that vanish without a FIN, beside living ones that are as idle: the reaper ends the dangling ones and only
those, and the next generation is served.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outlive.census.connection import Connection, Kind, State
from outlive.census.errors import CensusError
from outlive.census.session import Session
from outlive.census.sessions import session_of
from outlive.doctor.examination import Examination, examine
from outlive.doctor.finding import Finding, Severity
from outlive.reaper.hands import Outcome
from outlive.reaper.reaper import HANDS, Reaper
from outlive.reaper.round import Plan, Round

from ..servers.database import APP, APP2, Account
from ..servers.processes import eventually
from .far import REFUSED, SERVERS, Far, far, fill
from .program import list_hosts, run_json

pytestmark = pytest.mark.root

LIMIT = 14
IDLE_S = 0.5


@pytest.fixture(scope="module", params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Far]:
    more = {"performance_schema": "ON", "event_scheduler": "ON"} if request.param == "mariadb" else {}
    with far(request.param, max_connections=LIMIT, **more) as found:
        yield found


def wait_idle(place: Far) -> None:
    """Until all that is there is idle for longer than IDLE_S, also in MySQL's whole seconds."""
    time.sleep(IDLE_S + (1.6 if place.is_mysql else 0.1))


def ids(place: Far, connections: list[Any]) -> set[int]:
    return {place.number(connection) for connection in connections}


def examined_now(place: Far) -> Examination:
    return place.run(lambda: examine(place.database()))


def subjects(examined: Examination) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examined.findings}


def silent_peers(place: Far, count: int) -> Examination:
    """The doctor's report when the kernel has found so many peers to be dead."""
    found: list[Examination] = []

    def all_found() -> bool:
        found.append(examined_now(place))
        sockets = found[-1].sockets
        assert sockets is not None
        return sockets.silent == count

    eventually(all_found)
    return found[-1]


def test_a_full_database_serves_the_next_generation(place: Far, tmp_path: Path) -> None:
    """The reaper gets in by the place that is kept for operators; who has none is told what to do."""
    living, vanishing = place.hosts.add_client(), place.hosts.add_client()
    kept = [place.connect(living) for _ in range(3)]
    unfinished = place.connect(vanishing, autocommit=False)
    unfinished.cursor().execute("CREATE TABLE IF NOT EXISTS t (n int)")
    unfinished.commit()
    unfinished.cursor().execute("INSERT INTO t VALUES (1)")
    lost = fill(place, vanishing, LIMIT)
    vanishing.cut()
    hosts = list_hosts(tmp_path / "hosts", living.address)
    wait_idle(place)

    refused = run_json("reap", place.url(APP), "--alive-hosts", hosts, namespace=place.namespace, status=1)
    assert refused["full"]
    assert ("superuser_reserved_connections" if place.is_postgres else "CONNECTION_ADMIN") in refused["remedy"]

    examined = silent_peers(place, len(lost) + 1)
    assert examined.limits["for_users"] == LIMIT
    assert subjects(examined)["places"].severity is Severity.CRITICAL
    assert subjects(examined)["sockets"].severity is Severity.WARNING
    by_host = {holder.name: holder.connections for holder in examined.holders("host") if holder.name != "unix socket"}
    assert by_host == {living.address: len(kept), vanishing.address: len(lost) + 1}

    arguments = ("reap", place.url(), "--idle", f"{IDLE_S}s", "--alive-hosts", hosts)
    shown = run_json(*arguments, namespace=place.namespace)
    assert {verdict["id"] for verdict in shown["verdicts"] if verdict["ends"]} == ids(place, lost)
    assert place.numbers() == ids(place, [unfinished, *lost, *kept]), "the dry run ended something"

    done = run_json(*arguments, "--apply", namespace=place.namespace)
    assert (done["ended"], done["remains"], done["refused"], done["spared"]) == (len(lost), 0, 0, 0)
    assert place.numbers() == ids(place, [unfinished, *kept])
    reasons = {verdict["id"]: verdict["reasons"] for verdict in done["verdicts"]}
    assert "--transactions is not given" in reasons[place.number(unfinished)][0]

    done = run_json(*arguments, "--transactions", "500ms", "--apply", namespace=place.namespace)
    assert done["ended"] == 1
    assert place.numbers() == ids(place, kept)
    for connection in kept:
        connection.cursor().execute("SELECT 1")
    following = [place.connect(living) for _ in lost]
    for connection in (*kept, *following):
        connection.close()


def test_a_client_that_has_closed_is_told_from_one_that_vanished(place: Far) -> None:
    """CLOSE_WAIT: its FIN came, and the server is not done with its statement, which no reaper ends."""
    leaving = place.connect(place.hosts.add_client())
    number = place.number(leaving)
    if place.is_postgres:
        leaving.pgconn.send_query(b"SELECT pg_sleep(20)")
        leaving.pgconn.flush()
    else:
        leaving._execute_command(3, "SELECT SLEEP(20)")
    eventually(lambda: any(found.active for found in examined_now(place).holders("user") if found.name == APP.user))
    if place.is_postgres:
        leaving.pgconn.finish()
    else:
        leaving._force_close()

    def waits() -> bool:
        sockets = examined_now(place).sockets
        return sockets is not None and sockets.states.get("CLOSE_WAIT") == 1

    eventually(waits)
    assert "1 in CLOSE_WAIT" in subjects(examined_now(place))["sockets"].measured
    done = place.run(lambda: once(place))
    (verdict,) = [verdict for verdict in done.verdicts if verdict.connection.id == number]
    assert verdict.reasons == ("a statement runs on it",)
    place.query(f"SELECT pg_terminate_backend({number})" if place.is_postgres else f"KILL {number}")


async def once(place: Far) -> Round:
    reaper = Reaper(place.database(), Plan())
    try:
        return await reaper.once()
    finally:
        await reaper.close()


async def opened(place: Far, account: Account | None = None) -> Session:
    session = session_of(place.database(account))
    await session.open()
    return session


async def listed(session: Session, number: int) -> Connection:
    return next(found for found in (await session.census()).connections if found.id == number)


def test_what_came_alive_between_look_and_kill_is_spared(place: Far) -> None:
    living = place.hosts.add_client()
    woken, other, asleep = (place.connect(living) for _ in range(3))
    wait_idle(place)

    async def look_and_end() -> list[Outcome]:
        session = await opened(place)
        hands = HANDS[place.database().scheme](session)
        try:
            victims = [await listed(session, place.number(connection)) for connection in (woken, other, asleep)]
            woken.cursor().execute("SELECT 1")
            # The same number, and another connection: it has a start of its own, or its client another port.
            began = victims[1].began
            changed = began[:-1] + ("1" if began[-1] != "1" else "2")
            victims[1] = Connection(**{**_fields(victims[1]), "began": changed})
            return [await hands.end(victim) for victim in victims]
        finally:
            await session.close()

    assert place.run(look_and_end) == [Outcome.SPARED, Outcome.SPARED, Outcome.ENDED]
    for connection in (woken, other):
        connection.cursor().execute("SELECT 1")
    with pytest.raises(REFUSED):
        asleep.cursor().execute("SELECT 1")
    for connection in (woken, other):
        connection.close()


def _fields(connection: Connection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in Connection.__slots__}


def test_two_reapers_do_not_work_at_once(place: Far) -> None:
    """Also where they came in by different databases of one PostgreSQL."""
    database = place.database()
    first, second = Reaper(database, Plan(apply=True)), Reaper(database, Plan(apply=True))
    if place.is_postgres:
        import msgspec

        second = Reaper(msgspec.structs.replace(database, database="other"), Plan(apply=True))

    async def both() -> list[int]:
        try:
            done = [len((await first.once()).outcomes)]
            with pytest.raises(CensusError, match="Another reaper is at work"):
                await second.once()
            done.append(len((await first.once()).outcomes))  # it may go on
            await first.close()
            done.append(len((await second.once()).outcomes))
            return done
        finally:
            await first.close()
            await second.close()

    assert place.run(both) == [0, 0, 0]


def test_what_is_not_a_clients(place: Far) -> None:
    """The server's own, replication, and Outlive's own are known for what they are."""
    living = place.hosts.add_client()
    options = {"application_name": "shop"} if place.is_postgres else {"program_name": "shop"}
    client = place.connect(living, **options)
    standby = place.connect(living, place.operator, replication="database") if place.is_postgres else None

    async def look() -> list[Connection]:
        other = await opened(place)
        session = await opened(place)
        try:
            return list((await session.census()).connections)
        finally:
            await session.close()
            await other.close()

    found = place.run(look)
    assert [one.is_outlive for one in found if one.user == place.operator.user and one.host == "127.0.0.1"] == [True]
    (mine,) = [one for one in found if one.id == place.number(client)]
    assert (mine.kind, mine.program, mine.user, mine.host) == (Kind.CLIENT, "shop", "app", living.address)
    kinds = {one.kind for one in found}
    assert Kind.SERVER in kinds
    if place.is_postgres:
        assert Kind.REPLICATION in kinds
        assert standby is not None
    client.close()


def test_others_connections_take_privileges(place: Far) -> None:
    """Without them they are not shown, which is said; who may see them may still not end them."""
    client = place.connect(place.hosts.add_client())
    number = place.number(client)

    async def look_and_end() -> tuple[list[Connection], tuple[str, ...], Outcome, Connection]:
        session = await opened(place, APP2)
        try:
            census = await session.census()
            shown = [found for found in census.connections if found.id == number]
            place.query(f"GRANT {'pg_read_all_stats' if place.is_postgres else 'PROCESS ON *.*'} TO app2")
            await session.close()
            session = await opened(place, APP2)
            victim = await listed(session, number)
            return shown, census.blind, await HANDS[place.database().scheme](session).end(victim), victim
        finally:
            await session.close()

    shown, blind, outcome, victim = place.run(look_and_end)
    assert [found.kind for found in shown] == ([Kind.HIDDEN] if place.is_postgres else [])
    assert any("pg_read_all_stats" in said if place.is_postgres else "GRANT PROCESS" in said for said in blind)
    assert (victim.kind, victim.state) == (Kind.CLIENT, State.IDLE)
    assert outcome is Outcome.REFUSED
    client.cursor().execute("SELECT 1")
    client.close()
