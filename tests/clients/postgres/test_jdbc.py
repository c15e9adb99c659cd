"""PostgreSQL's JDBC driver (Debian's libpostgresql-jdbc-java): its modes of prepared statements, batches, cursors, COPY,
large objects, timeouts.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...servers import PostgresServer
from .target import Target

JAR = Path("/usr/share/java/postgresql.jar")
SOURCE = Path(__file__).parent / "java" / "Scenario.java"
# The driver's modes of the extended protocol and the simple one, by the server's flavour.
OPTIONS = {
    "pg15": ("", "&prepareThreshold=1&binaryTransfer=true", "&preferQueryMode=simple"),
    "pg18": (
        "&prepareThreshold=-1&reWriteBatchedInserts=true",
        "&autosave=always&preferQueryMode=extendedCacheEverything&preparedStatementCacheQueries=8&defaultRowFetchSize=20",
    ),
}

pytestmark = [
    pytest.mark.skipif(
        not (JAR.exists() and shutil.which("javac")), reason="no JDK or no libpostgresql-jdbc-java (make setup)"
    ),
    pytest.mark.timeout(200),
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    subprocess.run(
        ["javac", "-encoding", "UTF-8", "-cp", str(JAR), "-d", str(folder), str(SOURCE)], check=True, timeout=60
    )
    return folder


def test_jdbc(compare: Callable[..., list[Any]], classes: Path, pg: PostgresServer) -> None:
    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Duser.timezone=UTC", "-cp", f"{classes}:{JAR}", "Scenario", target.host, str(target.port), *OPTIONS[pg.flavour]],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout.splitlines()

    compare(scenario)
