"""The failure scenario of `outlive demo`, in small."""

import json
import subprocess
import sys

from outlive.storm.scenario import Scenario, Size


def test_direct_the_dead_use_up_the_database() -> None:
    size = Size(generations=2, functions=20, max_connections=12)
    figures = Scenario(size, through_outlive=False, progress=print).run()
    assert figures.outcomes.total() == size.total
    assert figures.outcomes["served"] <= 12
    assert figures.outcomes["refused"] >= 28
    # Their connections hold what they held, as nobody told the database.
    assert figures.dangling == figures.outcomes["served"]
    assert figures.open_transactions >= 1


def test_through_outlive_everybody_is_served() -> None:
    command = [sys.executable, "-m", "outlive", "demo", "--json", "--generations", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    through = report["outlive"]
    assert through["outcomes"] == {"served": 120}
    assert through["peak_connections"] <= report["size"]["budget"]
    assert through["open_transactions"] == 0
    assert through["dangling_connections"] == 0
    assert report["direct"]["outcomes"]["served"] <= report["size"]["max_connections"]
