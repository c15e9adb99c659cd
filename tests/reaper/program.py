"""`outlive reap` as people run it."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from outlive.cli.app import run as run_command

from ..servers import Process
from ..servers.hosts import in_namespace


class Said(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str


def run(*arguments: object, namespace: str) -> Said:
    """The command to its end, on a host of a test: in this process, which has loaded all that it needs."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = in_namespace(namespace, run_command, [str(argument) for argument in arguments])
    return Said(status, out.getvalue(), err.getvalue())


def run_json(*arguments: object, namespace: str, status: int = 0) -> dict[str, Any]:
    """The one object of --json."""
    said = run(*arguments, "--json", namespace=namespace)
    assert said.status == status, said.err
    assert "secret" not in said.out + said.err
    result: dict[str, Any] = json.loads(said.out)
    return result


def start(*arguments: object, namespace: str) -> Process:
    """A process of its own, for --watch."""
    return Process([sys.executable, "-m", "outlive", *map(str, arguments)], name="reap", namespace=namespace)


def list_hosts(file: Path, *hosts: str) -> Path:
    """Written aside and renamed, as its readers are told to have it."""
    aside = file.with_suffix(".new")
    aside.write_text("".join(f"{host}\n" for host in hosts))
    aside.rename(file)
    return file
