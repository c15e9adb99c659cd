"""Which connections end: by evidence, and never by age alone unless that was asked for."""

from dataclasses import replace

import pytest

from outlive.census.connection import Connection, Kind, State, Transaction
from outlive.census.sockets import Socket, SocketTable
from outlive.reaper.alive_hosts import parse_hosts
from outlive.reaper.evidence import Answer, Evidence
from outlive.reaper.rules import Rules, Verdict, judge

IDLE = Connection(
    id=7,
    began="x",
    changed="1",
    state=State.IDLE,
    user="app",
    host="10.0.0.7",
    port=40000,
    program="shop",
    idle_s=300.0,
)
DEAD = Evidence(alive=parse_hosts("10.0.0.8"))


def table(client: Socket, *others: Socket) -> SocketTable:
    listening = Socket("0.0.0.0", 3306, "0.0.0.0", 0, "LISTEN")
    return SocketTable([listening, client, *others], 3306)


def socket(state: str = "ESTABLISHED", **more: int) -> Socket:
    return Socket("10.0.0.1", 3306, "10.0.0.7", 40000, state, **more)


def decide(connection: Connection = IDLE, evidence: Evidence = DEAD, **rules: object) -> Verdict:
    return judge(connection, Rules(**rules), evidence)  # type: ignore[arg-type]


def test_an_idle_connection_of_a_host_that_is_not_listed_ends() -> None:
    verdict = decide()
    assert verdict.ends
    assert verdict.reasons == ("10.0.0.7 is not listed as alive", "idle for 5 min")


def test_age_alone_ends_nothing_unless_it_is_asked_for() -> None:
    verdict = decide(evidence=Evidence())
    assert not verdict.ends
    assert verdict.doubtful
    assert verdict.reasons == ("nothing tells whether its owner lives",)
    assert not decide(evidence=Evidence(), age_alone_s=301).ends
    assert decide(evidence=Evidence(), age_alone_s=300).ends


@pytest.mark.parametrize(
    ("change", "rules", "words"),
    [
        ({"kind": Kind.REPLICATION}, {}, "it replicates"),
        ({"kind": Kind.SERVER}, {}, "the server's own"),
        ({"kind": Kind.LOGIN}, {}, "not logged in yet"),
        ({"kind": Kind.HIDDEN}, {}, "not shown to this user"),
        ({"is_outlive": True}, {}, "Outlive's own"),
        ({"user": "rdsadmin"}, {}, "its provider's own"),
        ({"user": "mysql.session"}, {}, "its provider's own"),
        ({"host": "", "port": 0}, {}, "unix socket"),
        ({"state": State.ENDING, "idle_s": None}, {}, "ending already"),
        ({"state": State.UNKNOWN, "idle_s": None}, {}, "does not tell what it does"),
        ({"state": State.ACTIVE, "idle_s": None}, {}, "a statement runs"),
        ({"idle_s": 59.9}, {}, "used 60 s ago, within 60 s"),
        ({"transaction": Transaction(900.0)}, {}, "in a transaction for 15 min, and --transactions is not given"),
        ({"state": State.IN_TRANSACTION}, {}, "in a transaction"),
        ({"tells_transaction": False}, {}, "whether it is in a transaction is not shown to this user"),
        ({"tells_transaction": False}, {"transaction_s": 301.0}, "one may be younger"),
        ({"transaction": Transaction(9.0)}, {"transaction_s": 10.0}, "in a transaction for 9.0 s only"),
        ({}, {"never_users": ("a*",)}, "user app is never ended"),
        ({}, {"never_programs": ("sh?p",)}, "program shop is never ended"),
        ({}, {"never_hosts": parse_hosts("10.0.0.0/24")}, "host 10.0.0.7 is never ended"),
        ({}, {"only_users": ("batch", "b*")}, "only connections of batch, b* are asked for"),
    ],
)
def test_what_is_never_ended(change: dict[str, object], rules: dict[str, object], words: str) -> None:
    # Whatever else is known: its client has closed, which is as certain as it gets.
    evidence = Evidence(alive=DEAD.alive, sockets=table(socket("CLOSE_WAIT")))
    verdict = judge(replace(IDLE, **change), Rules(**rules), evidence)  # type: ignore[arg-type]
    assert not verdict.ends
    assert not verdict.doubtful
    assert any(words in reason for reason in verdict.reasons), verdict.reasons


def test_a_transaction_that_is_old_enough_ends_when_told() -> None:
    assert decide(replace(IDLE, transaction=Transaction(900.0), state=State.IN_TRANSACTION), transaction_s=600.0).ends


def test_a_sign_of_life_wins_over_all_but_the_clients_own_end() -> None:
    silent = table(socket(probes=5))
    listed = parse_hosts("10.0.0.7")
    assert decide(evidence=Evidence(sockets=silent)).ends
    assert not decide(evidence=Evidence(alive=listed, sockets=silent)).ends
    verdict = decide(evidence=Evidence(alive=listed, sockets=table(socket("CLOSE_WAIT"))))
    assert verdict.ends
    assert "although 10.0.0.7 is listed as alive" in verdict.reasons


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (socket(), False),
        (socket(probes=1), False),  # one is unanswered for a round trip, always
        (socket(probes=2), True),
        (socket(unacked=11, retransmits=2), False),
        (socket(unacked=11, retransmits=3), True),
        (socket("CLOSE_WAIT"), True),
        (Socket("10.0.0.1", 3306, "10.0.0.7", 40001, "CLOSE_WAIT"), False),  # another client's
        (Socket("10.0.0.1", 5432, "10.0.0.7", 40000, "CLOSE_WAIT"), False),  # another server's
    ],
)
def test_what_the_kernel_knows(found: Socket, ends: bool) -> None:
    assert decide(evidence=Evidence(sockets=table(found))).ends is ends


def test_an_address_of_this_machine_without_a_socket_says_nothing() -> None:
    """Address translation shows clients of other networks under an address of this machine."""
    here = Evidence(sockets=table(socket()))
    assert decide(evidence=here).doubtful
    other_end = Socket("10.0.0.7", 40000, "10.0.0.1", 3306, "ESTABLISHED")
    verdict = decide(evidence=Evidence(alive=DEAD.alive, sockets=table(socket(), other_end)))
    assert not verdict.ends
    assert verdict.reasons == ("the client's socket is open on this machine",)


def test_a_stopped_process_shows_no_life() -> None:
    other_end = Socket("10.0.0.7", 40000, "10.0.0.1", 3306, "ESTABLISHED", inode=77)
    listening = Socket("0.0.0.0", 3306, "0.0.0.0", 0, "LISTEN", inode=1)
    evidence = Evidence(sockets=SocketTable([listening, socket(), other_end], 3306, {77}))
    verdict = decide(evidence=evidence)
    assert verdict.doubtful
    assert verdict.reasons[0] == "the client's process is stopped, as a frozen function is"
    assert decide(evidence=evidence, age_alone_s=60.0).ends
    assert decide(evidence=replace(evidence, alive=DEAD.alive)).ends


def test_silence_counts_only_where_a_neighbour_answered() -> None:
    silent = {"10.0.0.7": Answer.SILENT, "10.0.1.9": Answer.LIVES}
    verdict = decide(evidence=Evidence(answers=silent))
    assert verdict.doubtful
    assert "no host of its network did" in verdict.reasons[0]
    assert decide(evidence=Evidence(answers={**silent, "10.0.0.9": Answer.LIVES})).ends
    assert decide(evidence=Evidence(answers={"10.0.0.7": Answer.UNREACHABLE, "10.0.0.9": Answer.LIVES})).ends
    assert not decide(evidence=Evidence(alive=DEAD.alive, answers={"10.0.0.7": Answer.LIVES})).ends


def test_clients_listed_by_port() -> None:
    """Behind one address (NAT) the list may name clients; those that it does not name are dead."""
    assert not decide(evidence=Evidence(alive=parse_hosts("10.0.0.7:40000"))).ends
    verdict = decide(evidence=Evidence(alive=parse_hosts("10.0.0.7:40001")))
    assert verdict.ends
    assert "10.0.0.7:40000 is not among the clients there" in verdict.reasons[0]
    # Not against the kernel, which knows better than a list that may be old; unless the process is frozen.
    other_end = Socket("10.0.0.7", 40000, "10.0.0.1", 3306, "ESTABLISHED", inode=77)
    here = replace(Evidence(alive=parse_hosts("10.0.0.7:40001")), sockets=table(socket(), other_end))
    assert not decide(evidence=here).ends
    listening = Socket("0.0.0.0", 3306, "0.0.0.0", 0, "LISTEN", inode=1)
    assert decide(evidence=replace(here, sockets=SocketTable([listening, socket(), other_end], 3306, {77}))).ends


def test_a_list_of_other_machines_is_not_about_the_databases_own() -> None:
    local = replace(IDLE, host="127.0.0.1")
    assert decide(local).doubtful
    assert decide(local, Evidence(alive=parse_hosts("127.0.0.2"))).ends


def test_hosts_that_the_database_shows_by_name_are_compared_by_address() -> None:
    named = replace(IDLE, host="fn-7.example.com")
    evidence = Evidence(alive=parse_hosts("10.0.0.0/24"), addresses={"fn-7.example.com": ("10.0.0.7",)})
    assert not decide(named, evidence).ends
    assert decide(named, Evidence(alive=evidence.alive)).ends
    assert not decide(named, Evidence(alive=parse_hosts("FN-7.example.com"))).ends


def test_a_host_that_is_never_ended_may_be_named_by_its_address_where_the_database_shows_a_name() -> None:
    named = replace(IDLE, host="worker")
    evidence = Evidence(alive=parse_hosts("10.0.0.8"), addresses={"worker": ("10.0.0.7",)})
    assert decide(named, evidence).ends
    assert not decide(named, evidence, never_hosts=parse_hosts("10.0.0.0/24")).ends
