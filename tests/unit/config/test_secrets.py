import copy
import os
import pickle
import time
from pathlib import Path

import pytest

from outlive.config import secrets
from outlive.config.secrets import Secret, SecretError


def test_each_source_is_read_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    by_file, by_env, by_command = (
        Secret("file", str(file)),
        Secret("env", "SOME_PASSWORD"),
        Secret("command", f"cat '{file}'"),
    )
    for value in ("first", "sécond word"):
        file.write_text(value + "\n")
        monkeypatch.setenv("SOME_PASSWORD", value)
        assert by_file.read() == by_env.read() == by_command.read() == value.encode()
        assert Secret("literal", value).read() == value.encode()


def test_a_value_that_is_not_utf8_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\xff\xfe\r\n")
    assert Secret("file", str(tmp_path / "p")).read() == b"\xff\xfe"
    monkeypatch.setenv("SOME_PASSWORD", b"\xff".decode("utf-8", "surrogateescape"))
    assert Secret("env", "SOME_PASSWORD").read() == b"\xff"


def test_only_one_newline_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(" a \n\n")
    assert Secret("file", str(tmp_path / "p")).read() == b" a \n"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Secret("env", "NOT_SET_ANYWHERE"), "environment variable NOT_SET_ANYWHERE is not set"),
        (Secret("file", "/nonexistent/p"), "/nonexistent/p cannot be read"),
        (Secret("file", "/dev/null"), "not a regular file"),
        (Secret("file", "a\0b"), "NUL"),
        (Secret("command", "/nonexistent/p --token hunter2"), "command /nonexistent/p cannot be started"),
        (Secret("command", ""), "cannot be started"),
        (Secret("command", "'"), "cannot be started"),
        (Secret("command", "sh -c 'echo hunter2 >&2; echo hunter2; exit 3'"), "command sh failed with exit status 3"),
        (Secret("command", "true"), "gives nothing"),
        (Secret("command", "head -c 70000 /dev/zero"), "too much"),
    ],
)
def test_failures_are_sentences_without_the_secret(secret: Secret, words: str) -> None:
    with pytest.raises(SecretError, match=words) as caught:
        secret.read()
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_empty_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "")
    with pytest.raises(SecretError, match="is empty"):
        Secret("env", "SOME_PASSWORD").read()


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_TIMEOUT_S", 0.1)
    started = time.monotonic()
    with pytest.raises(SecretError, match="did not end"):
        Secret("command", "sleep 60").read()
    assert time.monotonic() - started < 10


def test_missing_looks_for_commands_and_does_not_run_them(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    assert Secret("command", f"touch {mark}").missing() is None
    assert not mark.exists()
    assert Secret("command", "no-such-program-anywhere").missing()
    assert Secret("command", "'").missing()
    assert Secret("command", " ").missing()
    assert Secret("env", "NOT_SET_ANYWHERE").missing()
    assert Secret("literal", "").missing() is None


def test_nothing_shows_a_literal() -> None:
    secret = Secret("literal", "hunter2")
    shown = f"{secret!r} {secret} {secret.describe()} {[secret]} {Secret('command', 'get --token hunter2')!r}"
    assert "hunter2" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert copy.deepcopy({"a": secret})["a"] is copy.copy(secret) is secret


def test_it_is_a_value() -> None:
    assert Secret("env", "A") == Secret("env", "A") != Secret("file", "A")
    assert len({Secret("env", "A"), Secret("env", "A"), Secret("env", "B")}) == 2
    assert Secret("env", "A") != "A"
    assert Secret("command", "x").blocks
    assert not Secret("file", "x").blocks
    with pytest.raises(AttributeError):
        Secret("env", "A").source = "file"
    with pytest.raises(AttributeError):
        del Secret("env", "A").source


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SecretError, match="not a regular file"):
        Secret("file", str(tmp_path / "pipe")).read()
    (tmp_path / "empty").touch()
    with pytest.raises(SecretError, match="gives nothing"):
        Secret("file", str(tmp_path / "empty")).read()
