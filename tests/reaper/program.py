"""`outlive reap` and `outlive doctor` as people run them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..servers import Process

COMMAND = [sys.executable, "-m", "outlive"]


def run(
    *arguments: object, namespace: str | None = None, timeout_s: float = 30.0
) -> "subprocess.CompletedProcess[str]":
    """To its end; on a host of a test where a namespace is given."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    command = [*inside, *COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def run_json(*arguments: object, namespace: str | None = None, status: int = 0) -> dict[str, Any]:
    """The one object of --json."""
    done = run(*arguments, "--json", namespace=namespace)
    assert done.returncode == status, done.stderr
    assert "secret" not in done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def start(*arguments: object, namespace: str | None = None) -> Process:
    """In the background, for --watch."""
    return Process([*COMMAND, *map(str, arguments)], name="reap", namespace=namespace)


def list_hosts(file: Path, *hosts: str) -> Path:
    """Written aside and renamed, as its readers are told to have it."""
    aside = file.with_suffix(".new")
    aside.write_text("".join(f"{host}\n" for host in hosts))
    aside.rename(file)
    return file
