import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from outlive.cli.app import run
from outlive.config.model import Config

GOOD = '[databases.shop]\nurl = "mysql://app@db/shop?password_env=SHOP_PASSWORD"\nmax_connections = 7\n'


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OUTLIVE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """What the node was started with, in place of starting it."""
    configs: list[Config] = []
    node = types.ModuleType("outlive.proxy.node")
    node.run = lambda config: configs.append(config) or 0  # type: ignore[attr-defined]
    if "outlive.proxy" not in sys.modules:
        monkeypatch.setitem(sys.modules, "outlive.proxy", types.ModuleType("outlive.proxy"))
    monkeypatch.setitem(sys.modules, "outlive.proxy.node", node)
    return configs


def test_serve_gives_the_node_its_configuration(served: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["serve", "mysql://app@db/shop?password_env=SHOP_PASSWORD", "--mysql", "127.0.0.1:1", "--http=[::1]:2"]
    assert run([*arguments, "--admin", "127.0.0.1:3", "--log-level", "error", "--workers", "1"]) == 0
    (config,) = served
    assert list(config.databases) == ["shop"]
    assert list(map(str, (config.listen.mysql, config.listen.http, config.listen.admin))) == [
        "127.0.0.1:1",
        "[::1]:2",
        "127.0.0.1:3",
    ]
    assert config.log_level == "error"
    assert capsys.readouterr().err == ""


def test_the_node_says_the_exit_status(served: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["outlive.proxy.node"], "run", lambda config: 1, raising=False)
    assert run(["serve", "mysql://u@h"]) == 1


@pytest.mark.parametrize("password", ["mysql://u:hunter2@h", "mysql://u@h?password=hunter2"])
def test_a_password_in_an_argument_warns(
    served: list[Config], capsys: pytest.CaptureFixture[str], password: str
) -> None:
    assert run(["serve", password]) == 0
    said = capsys.readouterr().err
    assert "warning: A password in an argument shows in the process list." in said
    assert "hunter2" not in said


def test_a_password_in_the_environment_does_not(
    served: list[Config], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTLIVE_URL", "mysql://u:hunter2@h")
    assert run(["serve"]) == 0
    assert capsys.readouterr().err == ""
    assert served[0].databases["*"].password.read() == b"hunter2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "mysql://u@h", "--data", "here"], "--data is the embedded database's folder"),
        (["serve", "--data", "/nonexistent", "--postgres", "nowhere"], "'nowhere' has no valid port"),
        (["demo", "--budget", "47"], "A budget of 47 does not fit into 50 connections"),
        (["serve", "mysql://u@h", "--workers", "2"], "comes with the shared budget"),
        (["serve", "mysql://u@h", "--workers", "0"], "not possible"),
        (["serve", "redis://u@h/x"], "Redis has databases 0, 1, 2, but no 'x'"),
        (["serve", "postgres://u@h", "--postgres", "nowhere"], "--postgres: postgres: 'nowhere' has no valid port"),
        (["serve", "postgres://u@h?application_name=x"], "application_name is not known"),
        (["serve", "mysql://u@h", "--mysql", "nowhere"], "--mysql: mysql: 'nowhere' has no valid port"),
        (["serve", "mysql://u@h?charset=utf8"], "charset is not known"),
        (["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml: The configuration cannot be read"),
        (["serve", "--nope"], "--nope"),
        *(
            ([name, f"TCP://{user}h:1?max_connections=5"], "no protocol to ask it in. Name a postgresql://, mysql:// or redis://")
            for name in ("reap", "doctor", "storm")
            for user in ("", "u@")
        ),
        (["nope"], "nope"),
        (["check"], "CONFIG"),
    ],
)
def test_usage_and_configuration_end_with_2(
    served: list[Config], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert served == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(98, "Address already in use"), "Address already in use"),
        (KeyError("hunter2"), "Internal error (KeyError)"),
    ],
)
def test_failures_end_with_1_and_a_sentence(
    served: list[Config],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    def fail(config: Config) -> int:
        raise error

    monkeypatch.setattr(sys.modules["outlive.proxy.node"], "run", fail, raising=False)
    assert run(["serve", "mysql://u@h"]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert "hunter2" not in said
    monkeypatch.setenv("OUTLIVE_LOG_LEVEL", "debug")
    assert run(["serve", "mysql://u@h"]) == 1
    assert "hunter2" not in capsys.readouterr().err


def test_check_says_right(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLIVE_URL", "nonsense that is not the file's")
    (tmp_path / "c.toml").write_text("drain_timeout_s = 60\n" + GOOD)
    assert run(["check", str(tmp_path / "c.toml")]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}/c.toml: right.\n  server db:3306: at most 7 connections for shop\n"
    assert "warning: drain_timeout_s: Draining may take 62 s" in captured.err
    assert run(["check", str(tmp_path / "c.toml"), "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert captured.err == ""
    assert (result["ok"], result["problems"], result["servers"]) == (True, [], {"db:3306": 7})
    assert result["advice"][0]["path"] == "drain_timeout_s"


def test_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text(GOOD + "min_idle = 9\nnope = 1\n")
    assert run(["check", str(tmp_path / "c.toml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"outlive: {tmp_path}/c.toml:5: databases.shop.nope: The option nope is not known." in captured.err
    assert run(["check", str(tmp_path / "c.toml"), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    result = json.loads(captured.out)
    assert result["ok"] is False
    problem = result["problems"][0]
    assert problem == {
        "path": "databases.shop.nope",
        "source": f"{tmp_path}/c.toml",
        "line": 5,
        "sentence": "The option nope is not known.",
        "remedy": "docs/configuration.md lists the options.",
    }


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("outlive 0.")
    for arguments in (["--help"], ["serve", "--help"], ["check", "--help"]):
        assert run(arguments) == 0
        assert "Usage" in capsys.readouterr().out


def test_terminal_codes_are_escaped(served: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "mysql://u@h?x=1", "--config", "/\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_the_bare_package_says_what_is_missing() -> None:
    code = "import sys; sys.modules['typer'] = None; sys.argv[1:] = ['--help']; import outlive.cli; outlive.cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'outlive[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_command_line_imports_no_third_party_package() -> None:
    code = "import outlive.cli, sys; print([m for m in ('typer', 'msgspec', 'uvloop') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_process_title_is_left_alone() -> None:
    """What `ps` shows is what was typed, and no more: URLs from the environment must not get there."""
    source = "".join(path.read_text() for path in (Path(__file__).parents[3] / "src/outlive").rglob("*.py"))
    assert "setproctitle" not in source
    assert "PR_SET_NAME" not in source
