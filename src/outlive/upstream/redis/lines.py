"""The shared connections of one server: which of them takes a client's next commands, and when they make room."""

from __future__ import annotations

from typing import Any, Final

from outlive.upstream.redis.key import Key
from outlive.upstream.redis.line import Line

_BUSY: Final = 64
"""Unanswered chunks of commands on a line, from which on another line is opened."""
_RESTS_S: Final = 1.0
"""A line that nobody used for this long hands its connection back."""


class Lines:
    """The lines of one server, by key."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._by_key: dict[Key, list[Line]] = {}
        self._pressing = False
        self.most = 4
        """Of one key."""
        self.known: set[Any] = set()
        """Keys with which the server let its user in."""

    def pick(self, key: Key) -> Line:
        """The line for a client's next commands."""
        lines = self._by_key.get(key)
        if lines is None:
            lines = self._by_key[key] = [Line(self._server, key)]
            return lines[0]
        first = lines[0]
        if first.load < _BUSY and not first.is_large and (first.connection is not None or len(lines) == 1):
            return first
        ready = [line for line in lines if line.connection is not None and not line.is_large]
        best = min(ready or lines, key=lambda line: (line.is_large, line.load))
        if (best.load >= _BUSY or best.is_large) and len(lines) < self._limit():
            line = Line(self._server, key)
            lines.append(line)
            if best.is_large:
                return line
            line._acquire()
        return best

    def _limit(self) -> int:
        lendable: int = self._server.pool.limits.lendable
        return max(1, min(self.most, lendable - 1))

    def all(self) -> list[Line]:
        """Of all keys."""
        return [line for lines in self._by_key.values() for line in lines]

    def waited(self, seconds: float) -> str:
        """What a command is told that waited in vain."""
        limits = self._server.pool.limits
        states = self._server.pool.states()
        held = states.get("leased", 0)
        if held >= limits.lendable:
            return f"all {limits.max_connections} server connections were in use for {seconds:.1f} s (max_connections)"
        if self._server.pool.server_full:
            return f"the server itself had no room for another connection for {seconds:.1f} s (its maxclients)"
        return f"the server could not be reached for {seconds:.1f} s"

    def full(self) -> str:
        """What a command is told for which the queue has no place."""
        return f"the queue for server connections is full: {self._server.pool.limits.max_waiters} wait (max_waiters)"

    # -- sharing the budget ------------------------------------------------------------------------

    def settle(self) -> None:
        """Hands back what rests while somebody waits, or the pool is being emptied."""
        if self._server.pool.obstacles:
            for line in self.all():
                line.rest()

    def press(self) -> None:
        """Somebody waits: lines that rest go back now, and those at work after key_switch_after_ms."""
        self.settle()
        if not self._pressing:
            self._pressing = True
            self._server.call_later(self._server.pool.limits.key_switch_after_ms / 1000, self._press)

    def _press(self) -> None:
        self._pressing = False
        pool = self._server.pool
        if not pool.waiters:
            return
        full = len(pool.slots) >= pool.limits.lendable
        if full:
            for line in self.all():
                if line.connection is not None and not line.connection.running:
                    line.yielding = True
                    line.rest()
        self.press()

    def look_after(self, now: float) -> None:
        """Once a second: lines that nobody used hand their connection back."""
        for key, lines in list(self._by_key.items()):
            for line in list(lines):
                if line.held_by is not None:
                    _limit_slowness(line.held_by, now)
                line.leave_if_old(now)
                rests = line.connection is not None and not line.load and now - line.active_at >= _RESTS_S
                if rests and not line.connection.running:
                    line.give_back()
                if line.connection is None and not line.load and not line.waits:
                    lines.remove(line)
            if not lines:
                del self._by_key[key]


def _limit_slowness(client: Any, now: float) -> None:
    """A client that takes nothing any more is ended after client_write_timeout_s, as on a connection of its own."""
    unsent = client.channel.unsent_bytes
    if unsent != client.stalled_bytes or not client.stalled_at:
        client.stalled_bytes = unsent
        client.stalled_at = now
    elif now - client.stalled_at >= client.route.database.client_write_timeout_s:
        client.end_slow()
