"""What the scenario needs of a protocol: functions' connections by an unmodified driver, and an eye on the database."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, cast

from outlive.storm.errors import ScenarioError
from outlive.storm.plan import Target

_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {"mysql": "outlive.storm.mysql", "postgresql": "outlive.storm.postgres", "http": "outlive.storm.http"}
)


class WrongAnswerError(Exception):
    """The answer is not the one to the request: another client's, or an old one."""


class Connection(Protocol):
    """A function's connection. Its methods raise the driver's errors."""

    @property
    def endpoint(self) -> tuple[str, int]:
        """The function's own end: address and port, as the server tells whose connection it is."""

    @property
    def number(self) -> int:
        """The server's number of the connection, as it was told at the login (CONNECTION_ID(), pg_backend_pid())."""

    @property
    def ended(self) -> bool:
        """Whether the function knows, before it uses it, that its other end has closed it. Database drivers find out
        at the next statement.
        """

    async def request(self, function: int, turn: int, database_s: float = 0.0) -> None:
        """One transaction: it writes a row, reads what this function has written, and commits. WrongAnswerError.

        Its read takes `database_s` at the database.
        """

    async def leave_open(self, function: int) -> None:
        """Start a transaction that holds a lock, and stop there."""

    async def close(self) -> None:
        """Say goodbye as the driver does, and close."""


class Driver(Protocol):
    """A driver for functions."""

    async def connect(self, target: Target) -> Connection:
        """A new connection. Raises the driver's errors."""

    def is_full(self, error: BaseException) -> bool:
        """Whether the error says that there is no connection to be had."""

    def code(self, error: BaseException) -> str:
        """The protocol's error code, or the error's kind where it has none."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One connection as the database sees it: the client's end, whether a transaction is open (None: the observer may
    not know), and the server's number of it.
    """

    address: str
    port: int
    in_transaction: bool | None
    number: int = 0


class Observer(Protocol):
    """A connection of an administrator: the database keeps a place for it when it is full for all others."""

    @property
    def version(self) -> str:
        """The database's product and version."""

    @property
    def number(self) -> int:
        """The server's number of this connection."""

    def prepare(self) -> None:
        """Make the tables that functions use, empty."""

    def remove(self) -> None:
        """Drop these tables."""

    def limit(self) -> int:
        """How many connections the database allows in all (max_connections)."""

    def reserved(self) -> int:
        """How many of them are not for functions: superusers' and other reserved ones."""

    def end(self, numbers: Iterable[int]) -> None:
        """End these connections, as far as they are there and may be ended by this user."""

    def ping(self) -> None:
        """Use the connection, so that nobody takes it for a dead function's."""

    def look(self) -> list[Backend]:
        """Every client's connection that the database counts now, without this one."""

    def close(self) -> None:
        """End it."""


class _Module(Protocol):
    def driver(self) -> Driver: ...  # all there is of http
    def observer(self, target: Target, owner: str) -> Observer: ...


def driver_of(name: str) -> Driver:
    """The driver of a URL's scheme, or `http`. ScenarioError when it is not installed."""
    return _module(name).driver()


def observer_of(target: Target, owner: str) -> Observer:
    """An observer that is connected; tables are to be `owner`'s. ScenarioError when its driver is not installed."""
    return _module(target.scheme).observer(target, owner)


def _module(name: str) -> _Module:
    try:
        return cast(_Module, importlib.import_module(_MODULES[name]))
    except ModuleNotFoundError as error:
        raise ScenarioError(
            f"The functions' driver needs the package {error.name}: run pip install 'outlive[storm]'."
        ) from None
