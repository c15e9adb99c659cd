"""node's pg with its pool, cursors and COPY streams, and knex."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .target import Target

MODULES = Path(__file__).parent.parent / "node" / "node_modules"
SCRIPT = Path(__file__).parent / "scenario.js"


@pytest.mark.skipif(not (MODULES / "pg").exists(), reason="npm install has not run (make setup)")
def test_pg(compare: Callable[..., list[Any]]) -> None:
    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            ["node", str(SCRIPT), target.host, str(target.port)],
            env={**os.environ, "NODE_PATH": str(MODULES)}, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    compare(scenario)
