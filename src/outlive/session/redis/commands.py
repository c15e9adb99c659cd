"""How long a command that blocks may wait. What each command is says `config/redis_commands.py`."""

from __future__ import annotations

from typing import Final

from outlive.config.redis_commands import block_option

_TIMEOUT_FIRST: Final = frozenset((b"BLMPOP", b"BZMPOP"))
_IN_MILLISECONDS: Final = frozenset((b"WAIT", b"WAITAOF", b"XREAD", b"XREADGROUP"))
_ARRAY_OF_NOTHING: Final = frozenset((b"BLPOP", b"BRPOP", b"BLMPOP", b"BZMPOP", b"BZPOPMIN", b"BZPOPMAX", b"XREAD"))


class Wait:
    """How long a blocking command may wait. `seconds`: None for ever, or where its timeout cannot be read (the server
    says so).
    """

    __slots__ = ("_at", "_per_second", "arguments", "is_array", "seconds")

    def __init__(self, arguments: list[bytes]) -> None:
        name = arguments[0].upper()
        self.arguments = arguments
        if name in (b"XREAD", b"XREADGROUP"):
            self._at = block_option(arguments)
        else:
            self._at = 1 if name in _TIMEOUT_FIRST else len(arguments) - 1
        self._per_second = 1000.0 if name in _IN_MILLISECONDS else 1.0
        self.is_array = name in _ARRAY_OF_NOTHING or name == b"XREADGROUP"
        """Whether its "nothing" is a null array in RESP2, and not a null string."""
        self.seconds: float | None = None
        if 0 < self._at < len(arguments):
            try:
                found = float(arguments[self._at])
            except ValueError:
                return
            if 0 < found < 1e12:
                self.seconds = found / self._per_second

    @property
    def counts_replicas(self) -> bool:
        """WAIT and WAITAOF: what is waited for is not given to anybody, and their nothing is a number."""
        return self.arguments[0].upper() in (b"WAIT", b"WAITAOF")

    def shortened(self, waited_s: float) -> list[bytes]:
        """The command for what is left of its time after the queue: never 0, which is for ever."""
        if self.seconds is None:
            return self.arguments
        left = max(self.seconds - waited_s, 0.001) * self._per_second
        found = list(self.arguments)
        found[self._at] = b"%d" % max(1, left) if self._per_second > 1 else b"%.3f" % left
        return found
