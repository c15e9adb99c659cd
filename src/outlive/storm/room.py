"""A network of this process's own, in which hosts can vanish: root may make one, and where the kernel allows it (user
namespaces) everybody else.

Only its own links are in it: no packet can leave, and the kernel removes all of it with the last process.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - of a room, into which nothing leads
"""Where servers in a room listen."""

_MARK = "OUTLIVE_STORM_ROOM"
_PROBE_TIMEOUT_S = 10.0
# All that the scenario does there: bring a link up, lead one to another process's network.
_PROBE = "ip link set lo up && ip link add olp0 type veth peer name olp1 && unshare --net true && nsenter --version"
# Where `ip` is; an ordinary user's PATH may not have it.
_SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"


def inside() -> bool:
    """Whether this process is in a room: it was started by `enter`."""
    return os.environ.get(_MARK) == str(os.getpid())


def obstacle() -> str:
    """Why there can be no room on this machine, in a few words; empty if there can. Tried, as containers deny it to
    root too.
    """
    command = [*_entrance(), "sh", "-c", _PROBE]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False, env=_environment()
        )
    except FileNotFoundError as error:
        return f"the program {error.filename} is missing"
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


def enter(arguments: Sequence[str]) -> None:
    """Become `outlive ARGUMENT...` in a room. Does not return; OSError when it cannot be done."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = [*_entrance(), sys.executable, "-m", "outlive", *arguments]
    # The process id stays, and marks the environment as this process's: its children are not what was started.
    os.execvpe(command[0], command, {**_environment(), _MARK: str(os.getpid())})  # noqa: S606 - no shell is wanted


def _entrance() -> list[str]:
    # An ordinary user stays who it is, as PostgreSQL refuses to run as root, and has the rights on this network alone.
    rights = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    return ["unshare", *rights, "--net", "--"]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATHS}"}
