"""`outlive serve` with neither URL nor configuration: the embedded databases, served."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from outlive.cli.output import FAILED, say
from outlive.config.addresses import Address
from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.embedded import EmbeddedError, EmbeddedPostgres, EmbeddedValkey
from outlive.observe import log

LOOPBACK: Final = "127.0.0.1"
WILDCARDS: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - where they are reached from this machine


def serve_embedded(folder: Path | None, flags: Mapping[str, str]) -> int:
    """Serve the data in `folder` (the default one if None) until SIGTERM; returns the exit status.

    ConfigError and OSError as for any other database.
    """
    # What is wrong with the options is said before a database is made for them.
    urls = (f"postgresql://{EmbeddedPostgres.user}@{LOOPBACK}/{EmbeddedPostgres.database}", f"redis://{LOOPBACK}/0")
    load(Origin(urls=urls, flags=flags))
    try:
        with EmbeddedPostgres(folder, on_failure=_stop) as postgres, EmbeddedValkey(folder, on_failure=_stop) as valkey:
            model = load(Origin(urls=(postgres.url(), valkey.url()), flags=flags))
            log.configure(model.log_level)
            from outlive.proxy.node import run

            def tell(addresses: Mapping[str, Address]) -> None:
                sys.stdout.write(_of_postgres(postgres, addresses["postgresql"]))
                sys.stdout.write(_of_valkey(valkey, addresses["redis"]))
                sys.stdout.flush()

            status = run(model, on_serving=tell)
            ended: list[tuple[str, EmbeddedPostgres | EmbeddedValkey]] = []
            ended += [("PostgreSQL", postgres)] if not postgres.running else []
            ended += [("Valkey", valkey)] if not valkey.running else []
            if not ended:
                return status
            for name, server in ended:
                say(f"The embedded {name} has ended by itself; {server.log_path} says why.")
    except EmbeddedError as error:
        say(str(error))
    return FAILED


def _stop() -> None:
    """Without its database the node can only refuse: it ends, for whoever restarts it."""
    os.kill(os.getpid(), signal.SIGTERM)


def _of_postgres(server: EmbeddedPostgres, address: Address) -> str:
    """How to connect, in three lines."""
    host = WILDCARDS.get(address.host, address.host)
    where = f"-h {host} -p {address.port} -U {server.user} {server.database}"
    parameters = f"host={host!r}, port={address.port}, user={server.user!r}, dbname={server.database!r}"
    return (
        f"Serving PostgreSQL 18 on {address}; its data are in {server.folder}.\n"
        f'psql:    PGPASSWORD="$(cat {shlex.quote(str(server.password_file))})" psql {where}\n'
        f"Python:  psycopg.connect({parameters}, password=open({str(server.password_file)!r}).read().strip())\n"
    )


def _of_valkey(server: EmbeddedValkey, address: Address) -> str:
    """The same."""
    host = WILDCARDS.get(address.host, address.host)
    password = shlex.quote(str(server.password_file))
    return (
        f"Serving Valkey 9 on {address}; its data are in {server.folder}.\n"
        f'redis-cli:  REDISCLI_AUTH="$(cat {password})" redis-cli -h {host} -p {address.port}\n'
        f"Python:  redis.Redis({host!r}, {address.port}, password=open({str(server.password_file)!r}).read().strip())\n"
    )
