"""Inputs that found something, or that lead to all kinds of code; and in `make prove` the search for more."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .target import CORPUS, one_input

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_corpus(path: Path) -> None:
    one_input(path.read_bytes())


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_search(tmp_path: Path, count: Callable[[int, int], int], request: pytest.FixtureRequest) -> None:
    """libFuzzer's own search, for a bounded time."""
    if not request.config.getoption("--full"):
        pytest.skip("a part of make prove")
    ran = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz.target", str(tmp_path), str(CORPUS), "-max_total_time=120", "-timeout=20",
            "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={tmp_path}/",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    found = {path.name: path.read_bytes() for path in tmp_path.glob("crash-*")}
    assert ran.returncode == 0, f"{ran.stderr[-3000:]}\n{found}"
