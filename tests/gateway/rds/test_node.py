"""The clients of node, unmodified: drizzle-orm, kysely-data-api, typeorm, knex and data-api-client."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.rds.clients import KEY, REGION, SECRET, SECRET_ARN, arn
from tests.servers import OutliveProcess

FOLDER = Path(__file__).parent
pytestmark = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")


@pytest.fixture(scope="module")
def found(rds: OutliveProcess) -> Any:
    """What each client found; all of them in one process of node."""
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
    done = subprocess.run(
        ["node", "scenario.js", f"http://{rds.http_host}:{rds.http_port}", SECRET_ARN, arn("pg"), arn("my")],
        cwd=FOLDER, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_drizzle(found: Any) -> None:
    """Its driver for the Data API is for PostgreSQL only."""
    assert found["drizzle"] == {"ids": [1, 2], "returned": 1, "error": "DatabaseErrorException"}


def test_kysely(found: Any) -> None:
    rows = [{"id": 5, "name": "y"}, {"id": 6, "name": None}]
    assert found["kysely"] == {name: {"rows": rows, "none": [], "updated": 1} for name in ("pg", "my")}


def test_typeorm(found: Any) -> None:
    assert found["typeorm"] == {name: {"id": 1, "names": ["a'b", "second"]} for name in ("pg", "my")}


def test_knex(found: Any) -> None:
    for name in ("pg", "my"):
        assert found["knex"][name]["names"] == ["a'b", "second"], found["knex"]
        assert found["knex"][name]["has"] is False
    assert "Database error code: 1146." in found["knex"]["my"]["error"]
    assert 'relation "nowhere" does not exist' in found["knex"]["pg"]["error"]


def test_data_api_client(found: Any) -> None:
    records = [{"id": 1, "name": "x"}, {"id": 2, "name": None}, {"id": 3, "name": "z"}]
    expected = {"records": records, "error": "DatabaseErrorException"}
    assert found["dataApiClient"] == dict.fromkeys(("pg", "my"), expected)
