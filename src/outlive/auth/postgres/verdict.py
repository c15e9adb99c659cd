"""What the login machines of both sides answer: payloads to send, and at the end one verdict."""

from dataclasses import dataclass, field
from typing import NamedTuple

from outlive.auth.postgres.scram import ScramKeys
from outlive.wire import ProtocolError


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is proven.

    method: by what (see methods.py). channel_bound: SCRAM was bound to the TLS connection.
    keys: after SCRAM, those of the password that was proven. Of a client they serve for logging in to a server that
    has the very secret it was judged by; of a server they save the derivation at the next login there.
    password: the clear one, where a client gave it. Keep both in memory only, never log them.
    """

    user: bytes
    method: str
    channel_bound: bool = False
    keys: ScramKeys | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Passthrough:
    """The client gave a clear password that only the server can judge. Keep it in memory only, never log it."""

    user: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The login failed, for good: the caller sends or reports this error (severity FATAL) and closes."""

    sqlstate: bytes
    message: bytes
    detail: bytes = b""


Verdict = Accepted | Passthrough | Refused


class Step(NamedTuple):
    """Payloads to send in order, without framing, and the verdict once there is one."""

    send: tuple[bytes, ...] = ()
    verdict: Verdict | None = None


class LoginOver(ProtocolError):
    """A message before the start or after the verdict: a caller's bug, or a peer that goes on after it failed."""


class LoginRefused(Exception):
    """Inside the machines only: ends a step with this verdict."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused
