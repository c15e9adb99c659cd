"""Clients that log in, run one query and stay: `python -m bench.idle_clients mysql|postgres HOST PORT COUNT [tls]`.

It says `ready` when all of them are idle, and ends when it is killed.
"""

import asyncio
import resource
import ssl
import sys

from .mysql import login as mysql
from .postgres import login as postgres

PARALLEL_LOGINS = 50
LOGINS = {"mysql": mysql.client, "postgres": postgres.client}

_open: list[asyncio.StreamWriter] = []  # a connection is closed with the last reference to it


async def _main(protocol: str, host: str, port: int, count: int, tls: bool) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = None
    if tls:
        # The figure is memory, not trust: the certificate is the benchmark's own.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    turn = asyncio.Semaphore(PARALLEL_LOGINS)

    async def one() -> asyncio.StreamWriter:
        async with turn:
            return await LOGINS[protocol](host, port, context)

    _open.extend(await asyncio.gather(*(one() for _ in range(count))))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == ["tls"]))
