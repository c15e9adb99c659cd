"""What is asked: the load, the database, and what may be changed. One table of fields serves JSON and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from dataclasses import field as _field
from typing import Any, Final

from outlive.advisor.databases import SERVERS, Server

CLIENT_CHANGES: Final = ("nothing", "address", "code")
"""What may be changed of the functions: nothing, the address that their driver connects to, or their code."""


class QuestionError(ValueError):
    """A question that cannot be answered, as a sentence with its remedy."""


def _asked(prompt: str, default: object = MISSING) -> Any:
    metadata = {"prompt": prompt}
    return _field(metadata=metadata) if default is MISSING else _field(metadata=metadata, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Units are in the names. QuestionError for what cannot be."""

    requests_per_s: float = _asked("Requests a second, in the busiest minute")
    function_ms: float = _asked("Milliseconds of one request in the function, all in all", 100.0)
    database_share: float = _asked("Share of that time in the database, round trips included (0 to 1)", 0.3)
    statements: int = _asked("Statements of one transaction, BEGIN and COMMIT included", 4)
    lifetime_s: float = _asked("Seconds until the platform ends an instance", 600.0)
    instances: int | None = _asked("Instances at once, where it is known (else by Little's law)", None)
    deployments_per_day: float = _asked("Deployments a day, each of which ends all instances at once", 1.0)
    database: str = _asked("The database", "postgresql")
    max_connections: int | None = _asked("Connections that it allows (else its default)", None)
    others: int = _asked("Of these, taken by others than the functions", 5)
    dangling_timeout_s: float | None = _asked(
        "Seconds after which it ends a connection of the dead (else its default)", None
    )
    logins_per_s: float | None = _asked("New connections a second that the database bears (else an assumption)", None)
    rtt_ms: float = _asked("Milliseconds of a round trip between functions and database", 1.0)
    tls: bool = _asked("Is there TLS between them", True)
    added_latency_ms: float = _asked("Milliseconds that a request may take longer, at p99", 25.0)
    client_change: str = _asked("What may be changed of the functions: nothing, address or code", "code")
    http_interface: bool = _asked("Has the database an HTTP interface of its own or of its host", False)
    containers: bool = _asked("Can the code run in long-lived containers instead", False)
    migration: bool = _asked("Can the data move to another database, or be divided", False)

    def __post_init__(self) -> None:
        for name in ("requests_per_s", "function_ms", "lifetime_s", "rtt_ms"):
            _require(getattr(self, name) > 0, name, "must be above 0")
        for name in ("others", "deployments_per_day", "added_latency_ms"):
            _require(getattr(self, name) >= 0, name, "cannot be negative")
        _require(0 < self.database_share <= 1, "database_share", "is above 0 and at most 1")
        _require(self.statements >= 1, "statements", "is at least 1")
        for name in ("instances", "max_connections", "dangling_timeout_s", "logins_per_s"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, "must be above 0")
        _require(self.client_change in CLIENT_CHANGES, "client_change", f"is one of {', '.join(CLIENT_CHANGES)}")
        known = ", ".join(SERVERS)
        _require(self.database in SERVERS, "database", f"is one of {known}; docs/remedies/stateless.md has the others")
        _require(self.places >= 1, "others", f"leaves none of {self.limit} connections")

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Question:
        """From JSON's members, named as the fields are. QuestionError for one that is unknown or of the wrong type."""
        known = {each.name: each for each in fields(cls)}
        for name in given:
            _require(name in known, name, f"is not known; known are {', '.join(known)}")
        _require("requests_per_s" in given, "requests_per_s", "is missing, and nothing can be said without it")
        return cls(**{name: _typed(name, str(known[name].type), value) for name, value in given.items()})

    @property
    def server(self) -> Server:
        """The database's defaults."""
        return SERVERS[self.database]

    @property
    def limit(self) -> int:
        """Connections that the database allows in all."""
        return self.max_connections or self.server.max_connections

    @property
    def places(self) -> int:
        """Connections that are left for functions."""
        return self.limit - self.server.reserved - self.others

    @property
    def timeout_s(self) -> float:
        """How long the database keeps a connection whose other end is dead."""
        return self.dangling_timeout_s or self.server.dangling_timeout_s

    @property
    def bears_per_s(self) -> float:
        """New connections a second that the database bears."""
        return self.logins_per_s or self.server.logins_per_s

    def as_json(self) -> dict[str, object]:
        """Every field, and what its defaults came to."""
        came_to = {
            "max_connections": self.limit,
            "dangling_timeout_s": self.timeout_s,
            "logins_per_s": self.bears_per_s,
        }
        return {**asdict(self), **came_to}


def prompts() -> list[tuple[str, str, str, object]]:
    """Of each field its name, type, prompt, and default (MISSING: there is none), in the order of asking."""
    return [(each.name, str(each.type), each.metadata["prompt"], each.default) for each in fields(Question)]


def typed(name: str, text: str) -> object:
    """A field's value as a person writes it. QuestionError with the reason."""
    kind = next(kind for each, kind, _, _ in prompts() if each == name)
    if kind.startswith("bool"):
        _require(text.lower() in _WORDS, name, "is yes or no")
        return _WORDS[text.lower()]
    if kind.startswith("str"):
        return text
    try:
        number = float(text)
    except ValueError:
        raise QuestionError(f"{name} is a number, not {text!r}.") from None
    return _typed(name, kind, int(number) if number.is_integer() else number)


_WORDS: Final[Mapping[str, bool]] = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
# Beyond what any server or platform has, and within what the arithmetic and the simulation take seconds for.
_LARGEST: Final = {"max_connections": 1e7, "lifetime_s": 1e8}
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}


def _typed(name: str, kind: str, value: object) -> Any:
    base = kind.split(" ", maxsplit=1)[0]
    if value is None and "None" in kind:
        return None
    right = isinstance(value, _KINDS[base]) and (base == "bool" or not isinstance(value, bool))
    _require(right, name, f"is of the type {base}, not {value!r}")
    if isinstance(value, (int, float)):
        # Infinities and what is not a number are refused by this, too.
        _require(abs(value) < _LARGEST.get(name, 1e15), name, "is too large")
    return value


def _require(right: bool, name: str, otherwise: str) -> None:
    if not right:
        raise QuestionError(f"{name} {otherwise}.")
