"""`outlive storm` as a program."""

import json
import os
import subprocess
import sys
from typing import Any

from outlive.storm.load import Load
from tests.servers.processes import own_folder

PASSWORD = "STORM_TEST_PASSWORD"


def command(url: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "outlive", "storm", url, *map(str, arguments)]


def environment(password: str) -> dict[str, str]:
    return {**os.environ, PASSWORD: password}


def storm(url: str, password: str, *arguments: object, timeout_s: float = 170) -> Any:
    """Its one JSON object."""
    done = subprocess.run(
        command(url, "--json", *arguments),
        capture_output=True, text=True, timeout=timeout_s, check=False, cwd=own_folder("storm"),
        env=environment(password),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert password not in done.stderr + done.stdout
    return json.loads(done.stdout)


def expected(told: Any) -> int:
    """How many requests this load has, computed as a simulation would."""
    fields = {name: value for name, value in told["load"].items() if name != "cold_share"}
    load = Load(**fields)
    return sum(len(load.arrivals(generation)) for generation in range(load.generations))
