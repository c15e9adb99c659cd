"""Clients of Redis that vanish without a FIN, beside living ones that are as silent: doctor and reap."""

import contextlib
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outlive.cli.app import run as run_command
from tests.servers.processes import eventually
from tests.servers.redis import PASSWORD, READER, READER_PASSWORD, USER, RedisServer

pytestmark = pytest.mark.root

_REPAIR = 19
"""TCP_REPAIR: a socket that is closed in it says nothing to its peer."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(maxclients=12) as found:
        yield found


@pytest.fixture
def url(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REAP_PASSWORD", PASSWORD)
    return f"redis://{USER}@{server.host}:{server.port}/0?password_env=REAP_PASSWORD"


class Function:
    """A client that may vanish; `number` is its id."""

    def __init__(self, server: RedisServer, *then: str) -> None:
        self.socket = socket.create_connection((server.host, server.port))
        self.file = self.socket.makefile("rb")
        self.port = self.socket.getsockname()[1]
        self.number = int(self.say("CLIENT", "ID").removeprefix(":"))
        if then:
            self.socket.sendall((" ".join(then) + "\r\n").encode())

    def say(self, *words: str) -> str:
        self.socket.sendall((" ".join(words) + "\r\n").encode())
        return self.file.readline().decode().strip()

    def vanish(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, _REPAIR, 1)
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def run_json(*arguments: str, status: int = 0) -> dict[str, Any]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = run_command([*arguments, "--json"])
    assert found == status, err.getvalue()
    assert PASSWORD not in out.getvalue() + err.getvalue()
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def ends(round: dict[str, Any]) -> set[int]:
    return {verdict["id"] for verdict in round["verdicts"] if verdict["ends"]}


def listed(server: RedisServer) -> dict[int, int]:
    """The seconds for which each client has been silent, by id."""
    lines = server.ask("CLIENT", "LIST").decode().splitlines()
    found = [dict(word.split("=", 1) for word in line.split()) for line in lines]
    return {int(each["id"]): int(each["idle"]) for each in found if each["name"] != "observer"}


def there(server: RedisServer) -> set[int]:
    return set(listed(server))


def wait_silent(server: RedisServer, *functions: Function) -> None:
    """Idle times are whole seconds; and by then nothing is unacknowledged, to which this machine would answer RST."""
    eventually(lambda: all(listed(server)[function.number] >= 1 for function in functions))


def alive(folder: Path, *functions: Function) -> str:
    """A list of the clients that live; all others of this host are gone."""
    file = folder / "hosts"
    file.write_text("".join(f"127.0.0.1:{function.port}\n" for function in functions) or "127.0.0.1:1\n")
    return str(file)


def test_the_vanished_end_and_no_others(server: RedisServer, url: str, tmp_path: Path) -> None:
    living = [Function(server), Function(server, "BLPOP", "queue", "0"), Function(server, "SUBSCRIBE", "news")]
    in_multi = Function(server)
    assert in_multi.say("MULTI") == "+OK"
    gone = [Function(server), Function(server, "BLPOP", "queue", "0"), Function(server, "SUBSCRIBE", "news")]
    wait_silent(server, *living, *gone, in_multi)
    for function in (*gone, in_multi):
        function.vanish()
    vanished = {function.number for function in gone}

    examined = run_json("doctor", url)
    assert examined["limits"]["max_connections"] == 12
    assert (examined["limits"]["tcp_keepalive_s"], examined["limits"]["dangling_stays_s"]) == (300, 600)
    assert examined["connections"] == 7
    subjects = {finding["subject"]: finding for finding in examined["findings"]}
    assert {"places", "how long a dangling connection stays", "clients that wait", "memory"} <= subjects.keys()

    hosts = ("--alive-hosts", alive(tmp_path, *living))
    shown = run_json("reap", url, "--idle", "1s", *hosts)
    assert ends(shown) == vanished
    assert vanished <= there(server), "the dry run ended something"
    assert ends(run_json("reap", url, *hosts)) == set()  # used within the last minute

    done = run_json("reap", url, "--idle", "1s", *hosts, "--apply")
    assert (done["ended"], done["spared"], done["refused"], done["remains"]) == (3, 0, 0, 0)
    assert not vanished & there(server)
    assert {function.number for function in (*living, in_multi)} <= there(server)
    done = run_json("reap", url, "--idle", "1s", *hosts, "--transactions", "1s", "--apply")
    assert done["ended"] == 1

    # What is pushed now goes to the one that lives.
    server.ask("RPUSH", "queue", "kept")
    assert [living[1].file.readline() for _ in range(5)][-1] == b"kept\r\n"
    assert living[0].say("PING") == "+PONG"
    for function in living:
        function.close()


def test_age_alone_ends_nobody_who_waits(server: RedisServer, url: str, tmp_path: Path) -> None:
    """Of all three nothing is known but their silence, which of those that wait says nothing."""
    waiting = [Function(server, "BLPOP", "patient", "0"), Function(server, "SUBSCRIBE", "news")]
    idle = Function(server)
    wait_silent(server, *waiting, idle)
    for function in (*waiting, idle):
        function.vanish()
    assert ends(run_json("reap", url, "--idle", "1s", "--age-alone", "1s")) == {idle.number}
    done = run_json("reap", url, "--idle", "1s", "--alive-hosts", alive(tmp_path), "--apply")
    assert done["ended"] == 3


def test_who_may_not_is_told_so(server: RedisServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = ("--alive-hosts", alive(tmp_path))
    server.ask("ACL", "SETUSER", READER, "-client|kill", "-config")
    monkeypatch.setenv("REAP_PASSWORD", READER_PASSWORD)
    vanished = Function(server)
    wait_silent(server, vanished)
    vanished.vanish()
    reader = url.replace(USER, READER)
    done = run_json("reap", reader, "--idle", "1s", *hosts, "--apply", status=1)
    assert done["refused"] == 1
    examined = run_json("doctor", reader)
    assert examined["limits"]["max_connections"] == 12  # INFO says it, too
    assert examined["limits"]["dangling_stays_s"] is None
    monkeypatch.setenv("REAP_PASSWORD", PASSWORD)
    assert run_json("reap", url, "--idle", "1s", *hosts, "--apply")["ended"] == 1


def test_a_full_server_is_told_with_a_remedy(server: RedisServer, url: str) -> None:
    full = [Function(server) for _ in range(12 - len(there(server)))]
    said = run_json("reap", url, status=1)
    assert (said["full"], "maxclients" in said["remedy"]) == (True, True)
    for function in full:
        function.close()


def test_a_storm_has_nothing_to_do_here(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["storm", url]) == 2
    assert "Redis has none to measure" in capsys.readouterr().err
