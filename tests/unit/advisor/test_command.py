"""`outlive advise` as people and scripts use it."""

import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from outlive.advisor.question import Question
from outlive.cli.app import run

from .test_calibration import storm

QUICK = ["advise", "--requests-per-s", "50", "--instances", "20"]


def test_it_answers_in_words_with_the_arithmetic_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUICK, "--deployments-per-day", "0"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("asks for the least change", "Little's law", "Erlang's C", "stops being right", "costs", "Simulated"):
        assert words in shown
    for remedy in ("nothing", "reap", "per-request", "ttl", "proxy", "http", "containers", "service", "stateless"):
        assert remedy in shown
    assert "Sources: PostgreSQL manual" in shown


def test_brief_leaves_the_arithmetic_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUICK, "--brief", "--no-simulation"]) == 0
    shown = capsys.readouterr().out
    assert "Little's law" not in shown
    assert "Simulated" not in shown


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--function-time", "200ms", "--rtt", "5ms", "--lifetime", "5m", "--dangling-timeout", "8h", "--no-tls"]
    assert run([*QUICK, *options, "--added-latency", "1s", "--database", "mysql", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    asked = found["question"]
    assert asked["function_ms"] == 200
    assert asked["rtt_ms"] == 5
    assert asked["lifetime_s"] == 300
    assert asked["dangling_timeout_s"] == 28_800
    assert asked["added_latency_ms"] == 1000
    assert asked["tls"] is False
    assert asked["max_connections"] == 151
    assert found["best"] == next(name for name, each in found["remedies"].items() if each["rank"] == 1)
    proxy = found["remedies"]["proxy"]
    assert proxy["pool_size"] == proxy["figures"]["connections"]
    assert proxy["simulated"]["refused"] == 0
    assert found["arithmetic"]
    assert found["simulation"]


def test_the_same_seed_is_the_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for seed in ("3", "3", "4"):
        assert run([*QUICK, "--json", "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_a_question_comes_from_a_file_or_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "load.json"
    file.write_text('{"requests_per_s": 70, "rtt_ms": 3}')
    assert run(["advise", "--from", str(file), "--rtt", "4ms", "--json", "--no-simulation"]) == 0
    asked = json.loads(capsys.readouterr().out)["question"]
    assert (asked["requests_per_s"], asked["rtt_ms"]) == (70, 4)  # what is said beside the file counts
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"requests_per_s": 80}'))
    assert run(["advise", "--from", "-", "--json", "--no-simulation"]) == 0
    assert json.loads(capsys.readouterr().out)["question"]["requests_per_s"] == 80


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "--requests-per-s is missing"),
        (["--rtt", "1ms"], 2, "requests_per_s is missing"),
        (["--requests-per-s", "0"], 2, "requests_per_s must be above 0"),
        (["--requests-per-s", "1", "--rtt", "soon"], 2, "no duration"),
        (["--requests-per-s", "1", "--database", "oracle"], 2, "database is one of"),
        (["--from", "no-such-file"], 1, "no-such-file cannot be read"),
        (["--calibrate", "/dev/null"], 1, "is not JSON"),
    ],
)
def test_errors_are_a_sentence(
    arguments: list[str],
    status: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run(["advise", *arguments]) == status
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


@pytest.mark.parametrize("text", ['{"requests_per_s": NaN}', '{"requests_per_s": 1', "\x00", "[" * 100_000, "\udcff"])
def test_what_is_not_json_is_said(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "load.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert run(["advise", "--from", str(file)]) == 1
    assert "is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("figure", ["many", [1], None])
def test_a_storms_figures_are_numbers(tmp_path: Path, figure: object, capsys: pytest.CaptureFixture[str]) -> None:
    measured = storm()
    measured["remedies"]["persistent"]["p50_ms"] = figure
    file = tmp_path / "storm.json"
    file.write_text(json.dumps(measured))
    assert run(["advise", "--calibrate", str(file)]) == 1
    assert "p50_ms of persistent is no number" in capsys.readouterr().err


def test_a_storm_is_set_beside_what_is_predicted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "storm.json"
    file.write_text(json.dumps(storm()))
    assert run(["advise", "--calibrate", str(file)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "predicted" in shown
    assert "measured" in shown
    assert "All refusals are within 20 %" in shown
    assert run([*QUICK, "--calibrate", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["calibration"]["remedies"]) == {"persistent", "per-request", "ttl", "proxy"}
    assert found["calibration"]["remedies"]["persistent"]["off_by"]["refused"] == pytest.approx(0, abs=0.02)
    assert found["remedies"]["proxy"]["simulated"]
    file.write_text("{}")
    assert run(["advise", "--calibrate", str(file)]) == 1
    assert "Give --calibrate the output of outlive storm --json." in capsys.readouterr().err


def test_on_a_terminal_it_asks() -> None:
    """A line for each field: a wrong one is asked for again, an empty one takes the default."""
    mine, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "outlive", "advise"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(theirs)
    answers = ["many", "120", *[""] * (len(fields(Question)) - 1)]
    os.write(mine, "".join(f"{answer}\n" for answer in answers).encode())
    shown, said = program.communicate(timeout=60)
    os.close(mine)
    assert program.returncode == 0, said
    assert "requests_per_s is a number, not 'many'." in said
    assert "Requests a second, in the busiest minute" in said
    assert "120 a second" in shown
