"""redis-py's own test-suite, from its source distribution (`make setup` fetches it), direct and through."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from ..servers.redis import RedisServer
from .conftest import OPERATORS, Node
from .suite_differences import ASYNC, DIFFERENT, FAILS_DIRECT, NOT_RUN, SHORT, SLOW, SYNC

SOURCE = Path(sys.prefix) / "redis-py" / f"redis-{version('redis')}"

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="redis-py's sources are not there (make setup)")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(enable_debug_command="yes") as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=20, passthrough="true", allow_commands=OPERATORS) as found:
        yield found


def failures(
    port: int, files: list[str], protocol: int, folder: Path, *, without: tuple[str, ...] = ()
) -> tuple[set[str], int]:
    """The names of the tests that fail, without their parameters, and how many passed."""
    report = folder / f"{port}.xml"
    left_out = " and ".join(f"not {name}" for name in (*NOT_RUN, *without))
    arguments = ["-p", "no:cacheprovider", "-p", "no:warnings", "-q", "--tb=line", f"--junitxml={report}"]
    arguments += [f"--redis-url=redis://127.0.0.1:{port}/0", "--redis-mod-url=redis://127.0.0.1:1"]
    arguments += [f"--protocol={protocol}", "-m", "not onlycluster and not redismod and not ssl", "-k", left_out]
    files = [f"tests/{name}.py" for name in files]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *files],
        cwd=SOURCE, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    print(done.stdout[-6000:])
    failed, passed = set(), 0
    for case in ET.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(str(case.get("name")).split("[")[0])
        elif case.find("skipped") is None:
            passed += 1
    return failed, passed


def test_through(node: Node, tmp_path: Path) -> None:
    """What fails is what the list says. (RESP2 and asyncio's client are in `make prove`.)"""
    failed, passed = failures(node.redis_port, SHORT, 3, tmp_path, without=SLOW)
    assert failed <= FAILS_DIRECT.keys() | DIFFERENT.keys()
    assert passed > 250


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("files", [SYNC, ASYNC], ids=["sync", "async"])
def test_all_of_it(
    request: pytest.FixtureRequest, server: RedisServer, node: Node, files: list[str], protocol: int, tmp_path: Path
) -> None:
    if not request.config.getoption("--full"):
        pytest.skip("in make prove")
    direct, passed_direct = failures(server.port, files, protocol, tmp_path)
    through, passed = failures(node.redis_port, files, protocol, tmp_path)
    assert direct <= FAILS_DIRECT.keys()
    assert through - direct <= DIFFERENT.keys()
    assert passed_direct - passed <= 2 * len(DIFFERENT)  # asyncio's run twice: of a pool, and of one connection
    assert passed > 700
