"""Django's ORM with persistent connections (CONN_MAX_AGE), as requests drive it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .target import Target

ROOT = Path(__file__).parent.parent.parent.parent
OPTIONS: dict[str, dict[str, Any]] = {
    "client-side": {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    "server-side": {"CONN_MAX_AGE": 600, "OPTIONS": {"server_side_binding": True, "isolation_level": 3}},
    "pool": {"OPTIONS": {"pool": {"min_size": 2, "max_size": 8}}},
    "a connection a request": {"CONN_MAX_AGE": 0},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_orm(options: str, compare: Callable[..., list[Any]]) -> None:
    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.clients.postgres.django_app", target.host, str(target.port),
                json.dumps(OPTIONS[options]),
            ],
            cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    compare(scenario)
