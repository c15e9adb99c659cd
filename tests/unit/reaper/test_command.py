"""`outlive reap` and `outlive doctor`: arguments, before anything is dialled."""

import pytest
import typer

from outlive.cli.app import run
from outlive.cli.durations import duration

URL = "mysql://root@127.0.0.1:1/"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTLIVE_URL", raising=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("5m", 300), ("1.5s", 1.5), ("200ms", 0.2), ("2h", 7200), ("1d", 86400), ("7", 7)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 week", "1e9", "inf", "10sec"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write 10s, 5m or"):
        duration(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reap"], "One database is asked at a time"),
        (["doctor"], "One database is asked at a time"),
        (["reap", "redis+sentinel://h:26379/main/0"], "is of Sentinels"),
        (["doctor", "mysql://u@a,b/"], "names several servers"),
        (["reap", "postgresql://h/?passthrough=true"], "names no user"),
        (["reap", URL, "--idle", "0s"], "at least 100ms"),
        (["reap", URL, "--idle", "soon"], "is no duration"),
        (["reap", URL, "--metrics", "127.0.0.1:1"], "--metrics is for --watch"),
        (["reap", URL, "--watch", "1s", "--metrics", "nowhere"], "no valid port"),
        (["reap", URL, "--watch", "1s", "--alive-hosts", "-"], "name a file"),
        (["reap", URL, "--never-host", "10.0.0.0/99"], "of a list of hosts is none"),
        (["reap", URL, "--never-host", "10.0.0.7:40000"], "leave the port out"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["reap", "doctor"])
def test_a_database_that_is_not_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, URL, "--json"]) == 1
    said = capsys.readouterr()
    assert '"full": false' in said.out
    assert "Is the database running there, and the port right?" in said.err
