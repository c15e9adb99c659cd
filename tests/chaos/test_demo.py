"""The failure scenario of `outlive demo`, in small."""

import json
import subprocess
import sys


def test_the_demo() -> None:
    command = [sys.executable, "-m", "outlive", "demo", "--json", "--generations", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    size, direct, through = report["size"], report["direct"], report["outlive"]
    # Direct the dead use up the database: their connections hold what they held, as nobody told it.
    assert sum(direct["outcomes"].values()) == 80
    assert direct["outcomes"]["served"] <= size["max_connections"]
    assert direct["outcomes"]["refused"] >= 80 - size["max_connections"]
    assert direct["dangling_connections"] == direct["outcomes"]["served"]
    assert direct["open_transactions"] >= 1
    # Through Outlive everybody is served.
    assert through["outcomes"] == {"served": 80}
    assert through["peak_connections"] <= size["budget"]
    assert through["open_transactions"] == 0
    assert through["dangling_connections"] == 0
