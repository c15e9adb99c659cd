"""What a storm has: the database, the ground, the load; a remedy and its run get it."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from outlive.config.addresses import is_loopback
from outlive.config.model import Database
from outlive.config.secrets import SecretError
from outlive.storm.errors import ScenarioError
from outlive.storm.ground import Ground
from outlive.storm.hosts import LOOPBACK
from outlive.storm.load import Load
from outlive.storm.plan import Target

PASSWORD: Final = "OUTLIVE_STORM_PASSWORD"  # noqa: S105 - the name of a variable
_TLS: Final = ("tls", "tls_ca", "tls_cert", "tls_key")


@dataclass(frozen=True, slots=True)
class Stage:
    """`observed` is where the observer connects, `target` where functions do without a remedy between. `budget` is the
    most server connections for what shares them.
    """

    observed: Target
    target: Target
    load: Load
    budget: int
    ground: Ground
    tell: Callable[[str], None]

    def url(self, options: Mapping[str, object] = {}) -> str:
        """The database's URL for a program of Outlive, with its password by reference to `PASSWORD`."""
        target = self.observed
        files = {name: value for name in _TLS if (value := getattr(target, name)) is not None}
        password = {"password_env": PASSWORD} if target.password else {}  # an empty variable is taken for a mistake
        query = urlencode({**password, **files, **options}, quote_via=quote, safe="/")
        host = f"[{target.host}]" if ":" in target.host else target.host
        return f"{target.scheme}://{quote(target.user, safe='')}@{host}:{target.port}/{quote(target.database)}?{query}"

    @property
    def secrets(self) -> dict[str, str]:
        """What `url` refers to, for the environment of that program."""
        return {PASSWORD: self.observed.password}


def observed_target(database: Database) -> Target:
    """Where the observer connects. ScenarioError when the password cannot be read."""
    address = database.hosts[0]
    try:
        password = database.password.read().decode("utf-8", "surrogateescape")
    except SecretError as error:
        raise ScenarioError(str(error)) from None
    return Target(
        database.scheme,
        address.host,
        address.port,
        database.user,
        database.database,
        password,
        # Nobody has tables of such names, and two storms on one database have their own.
        tables=f"outlive_storm_{secrets.token_hex(3)}_",
        tls=database.tls,
        tls_ca=database.tls_ca,
        tls_cert=database.tls_cert,
        tls_key=database.tls_key,
    )


def loopback_of(host: str) -> str:
    """The IPv4 loopback address that this host name means; empty if it means none."""
    if host == "localhost":
        return LOOPBACK
    return host if is_loopback(host) and ":" not in host else ""


def free_port() -> int:
    """Of the loopback, now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def in_memory(name: str, content: str) -> int:
    """A descriptor of a file that is nowhere on a disk and goes with the processes that have it; programs open it as
    /proc/self/fd/N. For configurations with secrets.
    """
    descriptor = os.memfd_create(name)
    with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
        file.write(content)
    return descriptor
