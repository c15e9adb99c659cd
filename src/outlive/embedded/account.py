"""The user that the servers run as: PostgreSQL refuses to run as root, and Valkey has no need to."""

import os
import pwd
from dataclasses import dataclass

from outlive.embedded.errors import EmbeddedError

# An account made for it comes first; `nobody` is on every machine and owns nothing.
_NAMES = ("outlive", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Who the server runs as when this process is root, and None otherwise: it runs as this process does.

    EmbeddedError when root has nobody to run it as.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return Account(name, found.pw_uid, found.pw_gid)
    raise EmbeddedError(
        "The embedded databases do not run as root, and this machine has no user outlive or nobody: make one with "
        "useradd --system outlive."
    )
