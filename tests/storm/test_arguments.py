"""What `outlive storm` refuses before it touches anything."""

import pytest

from outlive.cli.app import run

URL = "mysql://somebody@127.0.0.1:1/test"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mysql://somebody@db.example.com/test"], "--i-know"),
        ([URL, "--remedies", "persistent,luck"], "There is no remedy 'luck'"),
        ([URL, "--functions", "3"], "at least one function"),
        ([f"{URL}?nonsense=1"], "nonsense"),
    ],
)
def test_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["storm", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_database_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["storm", URL]) == 1
    said = capsys.readouterr().err
    assert "does not let the observer in" in said
    assert "Traceback" not in said
