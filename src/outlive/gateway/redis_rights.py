"""What a principal may do at Redis: `redis_commands`, `redis_keys`, `redis_channels` and `read_only`.

Some commands nobody may send over HTTP: those about a session, of which a request has none of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from outlive.config import redis_commands as commands
from outlive.config.http import Principal
from outlive.config.redis_keys import READS, WRITES, keys_of, reads
from outlive.gateway.redis_patterns import matcher

PUBSUB: Final = frozenset((b"PUBLISH", b"SPUBLISH", b"SUBSCRIBE", b"PSUBSCRIBE"))
_SCRIPTS: Final = frozenset((b"EVAL", b"EVALSHA", b"EVAL_RO", b"EVALSHA_RO", b"FCALL", b"FCALL_RO"))
_SESSIONS: Final = frozenset((commands.TRANSACTION, commands.SUBSCRIBING, commands.FORBIDDEN))
_LOCAL_ALLOWED: Final = frozenset((b"PING", b"ECHO"))
_WITHOUT_EFFECT: Final = frozenset((b"PING", b"ECHO", b"TIME", b"LOLWUT"))


class Refused(Exception):
    """Its text is the error for the caller. `forbidden`: by the principal's rights, and not for everybody."""

    def __init__(self, text: str, *, forbidden: bool = True) -> None:
        Exception.__init__(self, text)
        self.text = text
        self.forbidden = forbidden


def check(name: str, principal: Principal, words: Sequence[bytes]) -> None:
    """Raises Refused."""
    command = words[0].upper()
    _check_session(command, words)
    allowed = _allowed(principal.redis_commands)
    gated = commands.kind_of(list(words)) == commands.GATED
    if (allowed is not None and command not in allowed) or (gated and (allowed is None or command not in allowed)):
        raise Refused(f"NOPERM {name} may not run the command {_shown(command)}")
    if principal.read_only and not reads(words):
        raise Refused(f"NOPERM {name} is read_only: it may not run the command {_shown(command)}")
    if command in PUBSUB:
        check_channel(name, principal, words[1:2], pattern=command == b"PSUBSCRIBE")
    elif principal.redis_keys is not None:
        _check_keys(name, principal.redis_keys, words)
    elif principal.redis_channels is not None and command in _SCRIPTS:
        raise Refused(f"NOPERM {name} has redis_channels, and a script may publish to any: {_shown(command)}")


def check_subscription(name: str, principal: Principal, command: bytes, channels: Sequence[bytes]) -> None:
    """SUBSCRIBE or PSUBSCRIBE. Raises Refused."""
    allowed = _allowed(principal.redis_commands)
    if allowed is not None and command not in allowed:
        raise Refused(f"NOPERM {name} may not run the command {_shown(command)}")
    check_channel(name, principal, channels, pattern=command == b"PSUBSCRIBE")


def check_channel(name: str, principal: Principal, channels: Sequence[bytes], *, pattern: bool) -> None:
    """Channels have to match one of the patterns, and a pattern has to be one of them, as ACL has it. Raises Refused.

    Who has patterns of keys only may use no channel.
    """
    patterns = principal.redis_channels
    if patterns is None:
        if principal.redis_keys is None:
            return
        patterns = ()
    for channel in channels:
        if pattern:
            passed = any(channel == each.encode("utf-8", "surrogateescape") for each in patterns)
        else:
            passed = any(matcher(each).fullmatch(channel) for each in patterns)
        if not passed:
            raise Refused(f"NOPERM {name} may not use one of the channels of this command")


def _check_session(command: bytes, words: Sequence[bytes]) -> None:
    kind = commands.kind_of(list(words))
    session = kind in _SESSIONS or (kind == commands.LOCAL and command not in _LOCAL_ALLOWED)
    if session:
        text = f"ERR Command is not available over HTTP: {_shown(command)}"
        raise Refused(text, forbidden=False)


def _check_keys(name: str, patterns: Sequence[str], words: Sequence[bytes]) -> None:
    keys = keys_of(words)
    if keys is None:
        raise Refused(f"NOPERM {name} has redis_keys, and the keys of this {_shown(words[0].upper())} cannot be told")
    for key in keys:
        if not any(matcher(each).fullmatch(key) for each in patterns):
            raise Refused(f"NOPERM {name} may not use one of the keys of this command")


@lru_cache(maxsize=256)
def _allowed(names: tuple[str, ...] | None) -> frozenset[bytes] | None:
    """The commands of `redis_commands`; None is every one."""
    if names is None:
        return None
    found: set[bytes] = set()
    for name in names:
        group = name.lower()
        if group == "@read":
            found |= READS.keys()
        elif group == "@write":
            found |= WRITES.keys()
        elif group == "@pubsub":
            found |= PUBSUB
        else:
            found.add(name.upper().encode())
    return frozenset(found | _WITHOUT_EFFECT)


def _shown(command: bytes) -> str:
    """A name is no value; but only what looks like one is shown."""
    text = command[:32].decode("latin-1")
    return f"'{text.lower()}'" if text.replace(".", "").replace("-", "").replace("_", "").isalnum() else "of that name"
