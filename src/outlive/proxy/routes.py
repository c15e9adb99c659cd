"""Which route a client takes: by the database it asks for."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from outlive.config.model import ANY_DATABASE
from outlive.upstream.route import Route

READ_ONLY_SUFFIX: Final = ".ro"
"""`shop.ro` reads from the replicas of `shop`."""


R = TypeVar("R", bound=Route)


class Routes(Generic[R]):
    """The routes of a node, by the name clients ask for."""

    def __init__(self) -> None:
        self.by_name: dict[str, R] = {}

    def find(self, database: bytes) -> tuple[R, bytes]:
        """The route for a client that asked for `database`, and the schema to put it into.

        A name that is not configured is a schema of the default entry: `*`, or else the first.
        """
        route = self.by_name.get(database.decode("utf-8", "surrogateescape")) if database else None
        if route is not None:
            return route, route.schema or database.removesuffix(READ_ONLY_SUFFIX.encode())
        return self.default, database

    @property
    def default(self) -> R:
        """Who serves clients that name no configured database."""
        found = self.by_name.get(ANY_DATABASE)
        return found if found is not None else next(iter(self.by_name.values()))
