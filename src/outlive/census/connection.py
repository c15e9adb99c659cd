"""One connection as the database lists it. Plain data; what is made of it is `reaper`'s and `doctor`'s."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Whose connection it is."""

    CLIENT = "client"
    REPLICATION = "replication"
    SERVER = "server"
    """The server's own thread or process: event scheduler, autovacuum, applier, background worker."""
    LOGIN = "login"
    """Not logged in yet: the server's own login timeout ends it."""
    HIDDEN = "hidden"
    """The database does not show this user what others' connections do."""


class State(StrEnum):
    """What it is doing."""

    IDLE = "idle"
    IN_TRANSACTION = "idle in transaction"
    ACTIVE = "active"
    ENDING = "ending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction; `age_s` is since it began, in seconds."""

    age_s: float
    writes: bool | None = None
    """Whether it has changed anything; None where the database does not say."""


@dataclass(frozen=True, slots=True)
class Connection:
    """`id` is what KILL and pg_terminate_backend take. Times are seconds at the moment of the list."""

    id: int
    began: str
    """With `id` it names this very connection: its start time (PostgreSQL), its client's host and port (MySQL)."""
    changed: str
    """What the database says of when its state changed, in its own words, for the comparison just before a kill."""
    kind: Kind = Kind.CLIENT
    state: State = State.UNKNOWN
    user: str = ""
    database: str = ""
    host: str = ""
    """The client's address, or its name where the database resolves names; empty over a unix socket."""
    port: int = 0
    program: str = ""
    """application_name, or the connection attribute program_name; the client sets it, and it proves nothing."""
    command: str = ""
    idle_s: float | None = None
    """How long it has been without a statement, at least; None where one runs, or where nobody tells."""
    age_s: float | None = None
    transaction: Transaction | None = None
    tells_transaction: bool = True
    """Whether the database tells this user that a transaction is open; if not, None says nothing."""
    awaits: str = ""
    """What a client waits for that has nothing to say meanwhile: its silence tells nothing of its owner (Redis)."""
    is_outlive: bool = False
    """A server connection of Outlive's own, by its connection attributes or application_name."""


@dataclass(frozen=True, slots=True)
class Census:
    """All connections but the one that asked. `blind` says, in sentences with a remedy, what the list does not show."""

    connections: tuple[Connection, ...]
    blind: tuple[str, ...] = field(default=())
