"""What the login machines of both sides answer: payloads to send, and at the end one verdict."""

from dataclasses import dataclass, field
from typing import NamedTuple

from outlive.wire import ProtocolError


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is proven."""

    user: bytes


@dataclass(frozen=True, slots=True)
class Passthrough:
    """The client gave a clear password that only the server can judge. Keep it in memory only, never log it."""

    user: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The login failed, for good: the caller sends or reports this error and closes."""

    code: int
    sqlstate: bytes
    message: bytes


Verdict = Accepted | Passthrough | Refused


class Step(NamedTuple):
    """Payloads to send in order, without framing, and the verdict once there is one."""

    send: tuple[bytes, ...] = ()
    verdict: Verdict | None = None


class LoginOver(ProtocolError):
    """A message before the start or after the verdict: a caller's bug, or a peer that goes on after it failed."""
