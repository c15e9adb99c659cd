"""`outlive demo`: functions that vanish, direct and through Outlive; as root, as anybody, and with no link to cut."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from outlive.storm import room
from outlive.storm.demo import demo_load
from tests.servers import Process
from tests.servers.processes import own_folder

ARGUMENTS = ("demo", "--functions", "40", "--generations", "2", "--max-connections", "24", "--budget", "8")
PLACES = 24 - 5  # three for superusers, two of the storm's own
REQUESTS = sum(len(demo_load(40, 2).arrivals(number)) for number in range(2))
EVERYBODY = 65534


def demo(*arguments: str, command: Sequence[str] = (sys.executable, "-m", "outlive"), **environment: str) -> Any:
    """Its one JSON object."""
    done = subprocess.run(
        [*command, *ARGUMENTS, "--json", *arguments],
        capture_output=True, text=True, timeout=120, check=False, cwd=own_folder("demo"),
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def check(told: Any) -> None:
    """What both runs must have shown."""
    direct, through = told["direct"], told["outlive"]
    assert direct["functions"] == through["functions"] == 40
    assert direct["requests"] == through["requests"] == REQUESTS
    # Direct the dead use up the database: their connections hold what they held, as nobody told it.
    assert direct["handshakes"] == direct["dangling"] == PLACES
    assert direct["refused"] == direct["codes"]["53300"] == REQUESTS - direct["answered"] > REQUESTS / 3
    assert direct["open_transactions"] in (1, 2)  # functions 0 and 10 of the first generation, where they were let in
    assert direct["server_connections_peak"] == PLACES
    # Through Outlive everybody is served, and what the dead began is rolled back.
    assert through["answered"] == REQUESTS
    assert through["handshakes"] == 40
    assert 0 < through["server_connections_peak"] <= 8
    assert through["refused"] == through["failed"] == through["open_transactions"] == through["dangling"] == 0
    assert 0 < through["p50_ms"] <= through["p99_ms"]
    assert direct["looks"] > 20


def needs_a_room() -> None:
    obstacle = room.obstacle()
    if obstacle:
        pytest.skip(f"no network of its own is to be had: {obstacle}")


def test_links_are_cut_and_a_page_is_written(tmp_path: Path) -> None:
    needs_a_room()
    page = tmp_path / "page.html"
    temporary = own_folder("tmp")
    told = demo("--page", str(page), TMPDIR=str(temporary))
    check(told)
    assert "links are cut" in told["deaths"]
    assert told["database"].startswith("PostgreSQL 18")
    assert list(temporary.iterdir()) == []
    text = page.read_text()
    assert f"{told['direct']['refused']} of {REQUESTS} requests" in text
    assert f"None of {REQUESTS} requests was refused" in text
    assert _tags(text).count("svg") == 3  # the connections of each, and the answers' times
    # Self-contained: nothing is loaded from anywhere.
    assert not {"script", "link", "img", "iframe"} & set(_tags(text))
    assert "url(" not in text
    assert "http" not in text


def test_where_no_link_can_be_cut_functions_are_frozen_and_it_says_so() -> None:
    told = demo("--death", "frozen")
    check(told)
    assert "frozen by SIGSTOP" in told["deaths"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_for_an_ordinary_user() -> None:
    import outlive

    packages = Path(importlib.util.find_spec("psycopg").origin).parents[1]  # type: ignore[union-attr, arg-type]
    sources = Path(outlive.__file__).parents[1]
    python = next((path for path in (sys.executable, "/usr/bin/python3.11") if _reachable(path)), None)
    if python is None or not (_reachable(str(packages)) and _reachable(str(sources))):
        pytest.skip("this clone or its Python is out of another user's reach")
    home = own_folder("home")
    os.chown(home, EVERYBODY, EVERYBODY)
    user = ["setpriv", f"--reuid={EVERYBODY}", f"--regid={EVERYBODY}", "--clear-groups", "--", "env", "-C", str(home)]
    paths = f"{sources}:{packages}"
    told = demo(
        command=[*user, python, "-m", "outlive"],
        PYTHONPATH=paths, PYTHONDONTWRITEBYTECODE="1", HOME=str(home), TMPDIR=str(home),
    )  # fmt: skip
    check(told)
    assert ("links are cut" in told["deaths"]) or ("frozen by SIGSTOP" in told["deaths"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_middle_it_can_be_ended_and_leaves_nothing(number: int, eventually: Callable[..., None]) -> None:
    temporary = own_folder("tmp")
    with Process(
        [sys.executable, "-m", "outlive", *ARGUMENTS], name="demo", environment={"TMPDIR": str(temporary)}
    ) as process:
        process.wait_line("generation 1 of 2", 60)
        descendants = _descendants(process.pid)
        assert len(descendants) >= 2  # functions, and the server's family
        process.signal(number)
        assert process.wait(60) in (1, 130)  # of Ctrl-C some versions of typer make 130
        assert list(temporary.iterdir()) == []
        assert "Traceback" not in process.log
        eventually(lambda: not [pid for pid in descendants if Path(f"/proc/{pid}/exe").exists()])


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that has ended meanwhile
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _reachable(path: str) -> bool:
    return os.path.exists(path) and all(folder.stat().st_mode & 0o001 for folder in Path(path).resolve().parents)


def _tags(text: str) -> list[str]:
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    return tags
