"""node's mysql2, text and prepared."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .rival import Rival
from .target import Target

FOLDER = Path(__file__).parent / "node"
_CAPABILITIES = 0x2 | 0x80 | 0x100 | 0x20000
"""FOUND_ROWS, LOCAL_FILES, IGNORE_SPACE, MULTI_RESULTS: what mysql2 logs in with that a rival must have in common."""


@pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")
def test_mysql2(compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{n},row {n}\n" for n in range(3000)))

    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            ["node", "scenario.js", target.host, str(target.port), str(path)],
            cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    compare(scenario, Rival.at(through, client_flag=_CAPABILITIES))
