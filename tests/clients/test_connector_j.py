"""MariaDB Connector/J (Debian's libmariadb-java), text and prepared, batches, cursors, timeouts."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .rival import Rival
from .target import Target

JAR = Path("/usr/share/java/mariadb-java-client.jar")
SOURCE = Path(__file__).parent / "java" / "Scenario.java"
_FOUND_ROWS, _LOCAL_FILES, _MULTI_RESULTS = 0x2, 0x80, 0x20000

pytestmark = [
    pytest.mark.skipif(
        not (JAR.exists() and shutil.which("javac")), reason="no JDK or no libmariadb-java (make setup)"
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


def test_connector_j(compare: Callable[..., list[Any]], through: Target, classes: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{n},row {n}\n" for n in range(3000)))

    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{classes}:{JAR}", "Scenario", target.host, str(target.port), str(path)],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout.splitlines()

    compare(scenario, Rival.at(through, client_flag=_FOUND_ROWS | _LOCAL_FILES | _MULTI_RESULTS))
