"""CLIENT UNBLOCK for a connection whose client is gone, or has to go, repeated until the connection has its reply.

The server answers 1 where it ended the wait, and 0 where there was none: because the wait was over, or because the
command has not been read there yet; and only the reply on the connection itself tells which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from outlive.upstream.redis.key import key_of
from outlive.wire.redis.values import command

_AGAIN_S: Final = 0.05
_AGAIN_MAX_S: Final = 1.0
_TRIES_MAX: Final = 8


class Unblocking:
    """A sharer of the user's line. `is_over`: whether the reply has come. `when_hopeless`: the server does not let this
    user unblock, or gives no answer.
    """

    def __init__(
        self,
        server: Any,
        connection: Any,
        user: str,
        is_over: Callable[[], bool],
        when_hopeless: Callable[[], None] | None = None,
    ) -> None:
        self.route: Any = server.routes[0]
        self._server = server
        self._key = key_of(user, 0, 3)
        self._command = command(b"CLIENT", b"UNBLOCK", b"%d" % connection.number)
        self._is_over = is_over
        self._when_hopeless = when_hopeless
        self._wait_s = _AGAIN_S
        self._tries = 0
        self._refused = False

    def begin(self) -> None:
        """Now, and again."""
        if self._is_over():
            return
        self._tries += 1
        if self._tries > _TRIES_MAX:
            self._give_up()
        else:
            self._server.lines.pick(self._key).add(self, self._command, 1, False)

    def _give_up(self) -> None:
        if self._when_hopeless is not None and not self._is_over():
            self._when_hopeless()

    def line_data(self, data: bytes, entry: object) -> None:
        """See `Sharer`."""
        self._refused = self._refused or data.startswith(b"-")

    def line_replied(self, data: bytes, entry: object) -> None:
        """See `Sharer`."""
        self.line_data(data, entry)
        self.line_done(entry)

    def line_done(self, entry: object) -> None:
        """See `Sharer`. Only the connection itself says that it is over."""
        if self._refused:
            self._give_up()
            return
        self._server.call_later(self._wait_s, self.begin)
        self._wait_s = min(2 * self._wait_s, _AGAIN_MAX_S)

    def line_failed(self, entry: object, why: str, *, cut: bool) -> None:
        """See `Sharer`."""
        self._server.call_later(self._wait_s, self.begin)

    def line_paused(self, paused: bool) -> None:
        """See `Sharer`."""
