"""Who sends a request, what it may do, and how much of it at once.

The seam for credentials is a `Way`: `async (config, request) -> (name, principal) | None`. It looks at what the request
brought (an API key, a JSON Web Token, a signature, a user and password) and answers None where that is not of its kind,
so that the next one is asked; where it is of its kind and wrong it raises Failure(401). Nothing of the body is read
before `Answering.body`, which may be called several times. `Principals.ways` are asked for every API, in their order;
those of one API (a signature in its own form) are handed to `Answering.guarded`, and are asked first. A way says in the
configuration, with a field of `Principal` of its own, which principal its credentials mean.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway.failure import Failure
from outlive.gateway.rates import Rates

SQL_OFF: Final = Failure(
    404,
    "sql_off",
    "SQL over HTTP is off: add a [principals.NAME] with api_key_sha256 and databases to the configuration.",
)
UNAUTHORIZED: Final = "Send a valid API key as Authorization: Bearer KEY."
Way = Callable[[Config, Request], Awaitable[tuple[str, Principal] | None]]
"""See the module."""


class Principals:
    """Those of the configuration at hand, which a reload changes; what is under way is counted by name."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._by_hash: dict[str, str] = {}
        self._busy: Counter[str] = Counter()
        self.ways: list[Way] = [self._by_key]
        self.rates = Rates(asyncio.get_running_loop().time)

    async def identify(self, config: Config, request: Request, ways: Sequence[Way] = ()) -> tuple[str, Principal]:
        """Name and rights of the one whose credentials the request brought. Raises Failure."""
        if not config.principals:
            raise SQL_OFF
        for way in (*ways, *self.ways):
            found = await way(config, request)
            if found is not None:
                self.rates.take(*found)
                return found
        raise Failure(401, "unauthorized", UNAUTHORIZED)

    async def _by_key(self, config: Config, request: Request) -> tuple[str, Principal] | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return self.of_key(config, key) if scheme.lower() == "bearer" else None

    def of_key(self, config: Config, key: str) -> tuple[str, Principal] | None:
        """Whose API key it is, if anybody's."""
        if config is not self._config:
            self._config = config
            self._by_hash = {key: name for name, found in config.principals.items() for key in found.api_key_sha256}
        # Looked up by its hash: how long that takes says nothing of any key.
        name = self._by_hash.get(hashlib.sha256(key.strip().encode("utf-8", "replace")).hexdigest())
        return None if name is None else (name, config.principals[name])

    @contextmanager
    def place(self, name: str, principal: Principal) -> Iterator[None]:
        """One of the principal's requests at once. Raises Failure where it has as many as it may."""
        self.enter(name, principal)
        try:
            yield
        finally:
            self.leave(name)

    def enter(self, name: str, principal: Principal) -> None:
        """A request or a transaction begins. Raises Failure."""
        if self._busy[name] >= principal.max_concurrency:
            raise Failure(
                429,
                "too_many_requests",
                f"{name} has max_concurrency ({principal.max_concurrency}) requests and transactions under way.",
            )
        self._busy[name] += 1

    def leave(self, name: str) -> None:
        """It is over."""
        self._busy[name] -= 1
        if not self._busy[name]:
            del self._busy[name]


def check_database(name: str, principal: Principal, database: str) -> None:
    """Raises Failure where the principal may not use it. Whether there is such a database it is not told."""
    if database not in principal.databases:
        raise Failure(403, "forbidden", f"{name} may not use this database.")
