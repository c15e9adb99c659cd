"""A real storm, and what the advisor says of it: from the load and the database's limit alone, and with its times."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outlive.advisor.calibration import Measured, calibrate
from tests.servers import MariaDB

PLACES = 60
TOLERATED = 0.2


@pytest.fixture(scope="module")
def storm() -> dict[str, Any]:
    """150 functions in three generations on a database with room for 58 of them."""
    options = ["--functions", "150", "--generations", "3", "--seconds", "3", "--remedies", "persistent", "--json"]
    with MariaDB(max_connections=PLACES) as server:
        command = [sys.executable, "-m", "outlive", "storm", server.url(), *options]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_refusals_are_predicted_within_a_fifth(storm: dict[str, Any], tmp_path: Path) -> None:
    refused = storm["remedies"]["persistent"]["refused"]
    assert refused > 50  # there is something to predict
    file = tmp_path / "storm.json"
    file.write_text(json.dumps(storm))
    command = [sys.executable, "-m", "outlive", "advise", "--calibrate", str(file), "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    remedies = said["calibration"]["remedies"]
    assert remedies["persistent"]["predicted"]["refused"] == pytest.approx(refused, rel=TOLERATED)
    for name, each in remedies.items():
        assert each["predicted"]["requests"] == each["measured"]["requests"], name


def test_they_are_predicted_without_having_been_measured(storm: dict[str, Any]) -> None:
    """All that is measured is taken out: what is left are the load, the policies, and the database's limit."""
    measured = storm["remedies"]["persistent"]
    blank = {name: {"policy": each["policy"]} for name, each in storm["remedies"].items()}
    predicted = calibrate(Measured.of({**storm, "remedies": blank})).compared["persistent"].predicted
    assert predicted.refused == pytest.approx(measured["refused"], rel=TOLERATED)
    assert predicted.dangling == pytest.approx(measured["dangling"], rel=TOLERATED)
    assert predicted.server_connections_peak == pytest.approx(measured["server_connections_peak"], rel=TOLERATED)
    assert predicted.handshakes == pytest.approx(measured["handshakes"], rel=TOLERATED)
    first, *later = measured["refused_by_generation"]
    assert (predicted.refused_by_generation[0] == 0) == (first == 0)
    for got, expected in zip(predicted.refused_by_generation[1:], later, strict=True):
        assert got == pytest.approx(expected, rel=TOLERATED, abs=5)
