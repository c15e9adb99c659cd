"""What people see of a round and of an examination; what clients say of themselves reaches no terminal as a command."""

import json
from dataclasses import replace

import pytest

from outlive.census.connection import Connection, Kind, State
from outlive.cli.doctor import _show
from outlive.cli.verdicts import show_round
from outlive.doctor.examination import Examination
from outlive.doctor.finding import Finding, Severity
from outlive.reaper.alive_hosts import parse_hosts
from outlive.reaper.evidence import Evidence
from outlive.reaper.hands import Outcome
from outlive.reaper.round import Round
from outlive.reaper.rules import Rules, judge

HOSTILE = "\x1b]0;owned\x07[red]shop[/red]"
GONE = Connection(
    7, "x", "1", state=State.IDLE, user="app", host="10.0.0.7", port=40000, program=HOSTILE, idle_s=300.0, age_s=400.0
)
USED = replace(GONE, id=8, host="10.0.0.8", program="cron", idle_s=1.0)
DOUBTFUL = replace(GONE, id=9, host="127.0.0.1", program="psql")
SERVER = Connection(1, "x", "1", kind=Kind.SERVER)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def a_round(outcomes: dict[int, Outcome], *, left: int = 0, applied: bool = True) -> Round:
    evidence = Evidence(alive=parse_hosts("10.0.0.8"))
    verdicts = tuple(judge(found, Rules(), evidence) for found in (SERVER, GONE, USED, DOUBTFUL))
    return Round(verdicts, ("Blind.",), outcomes, left, applied, 0.1)


def test_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    show_round(a_round({}, applied=False), "here", everything=False)
    said = capsys.readouterr().out
    assert "\x1b]0" not in said
    assert r"\x1b]0;owned\x07[red]shop[/red]" in said
    assert "cron" not in said
    for words in (
        "10.0.0.7 is not listed as alive; idle for 5 min",
        "here: 1 of 3 connections are dangling.",
        "Nothing was ended: --apply does it.",
        "1 more are idle and nothing tells whether their owners live",
        "Blind.",
    ):
        assert words in said


def test_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    done = a_round({7: Outcome.REFUSED}, left=2)
    show_round(done, "here", everything=True)
    said = capsys.readouterr().out
    assert "cron" in said
    assert "stays" in said
    assert "Of them: 1 refused, 2 left for the next round (--max-kills)." in said
    assert done.failed
    shown = json.loads(json.dumps(done.as_json()))
    assert (shown["connections"], shown["dangling"], shown["refused"], shown["ended"], shown["doubtful"]) == (
        3,
        1,
        1,
        0,
        1,
    )
    (ends,) = [verdict for verdict in shown["verdicts"] if verdict["ends"]]
    assert (ends["id"], ends["outcome"], ends["idle_s"], ends["transaction_s"]) == (7, "refused", 300.0, None)


def test_an_examination(capsys: pytest.CaptureFixture[str]) -> None:
    findings = (
        Finding(Severity.CRITICAL, "places", f"all are taken by {HOSTILE}", "Nobody gets in.", "make some", "a book"),
        Finding(Severity.GOOD, "memory", "enough", "It matters.", "", "another book"),
    )
    found = Examination("PostgreSQL 18", "here:1", {}, (GONE, USED, DOUBTFUL), None, None, findings, ("Blind.",))
    _show(found)
    said = capsys.readouterr().out
    assert "\x1b]0" not in said
    for words in (
        "PostgreSQL 18 at here:1: 3 connections",
        "up to 10 min       2 ",
        "critical: places: all are taken by ",
        "Nobody gets in.",
        "-> make some",
        "a book",
        "good: memory: enough.",
        "Blind.",
    ):
        assert words in said
    assert "another book" not in said
    shown = json.loads(json.dumps(found.as_json()))
    assert shown["findings"][0]["severity"] == "critical"
    assert shown["idle_histogram"][-1] == {"up_to_s": None, "connections": 0}
    assert shown["holders"]["user"][0]["connections"] == 3
