"""Django's ORM with persistent connections (CONN_MAX_AGE), as requests drive it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...servers import PostgresServer
from .target import Target

ROOT = Path(__file__).parent.parent.parent.parent
_PERSISTENT: dict[str, Any] = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
_SERVER_SIDE: dict[str, Any] = {"CONN_MAX_AGE": 600, "OPTIONS": {"server_side_binding": True, "isolation_level": 3}}
_POOL: dict[str, Any] = {"OPTIONS": {"pool": {"min_size": 2, "max_size": 8}}}
_NEW_EACH_TIME: dict[str, Any] = {"CONN_MAX_AGE": 0}
OPTIONS = {
    "persistent": {"pg15": _PERSISTENT, "pg18": _SERVER_SIDE},
    "other": {"pg15": _POOL, "pg18": _NEW_EACH_TIME},
}
"""By the server's flavour."""


@pytest.mark.parametrize("options", OPTIONS)
def test_orm(options: str, compare: Callable[..., list[Any]], pg: PostgresServer) -> None:
    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.clients.postgres.django_app", target.host, str(target.port),
                json.dumps(OPTIONS[options][pg.flavour]),
            ],
            cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    compare(scenario)
