"""A logged-in client of Redis: which of its commands goes which way.

Ordinary ones go over a shared line (`ordinary`); what needs a connection has one of its own for as long as that lasts
(`leasing`, `uploading`); the session's own are answered here (`local`, `subscriptions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.config.redis_commands import (
    ALONE,
    BLOCKING,
    FORBIDDEN,
    GATED,
    LOCAL,
    ORDINARY,
    SUBSCRIBING,
    TRANSACTION,
    kind_of,
    kind_of_name,
)
from outlive.proxy.phases import CLOSED, READY, RELAYING, WAITING
from outlive.proxy.redis import local, subscriptions
from outlive.proxy.redis.abandon import Leftover
from outlive.proxy.redis.transactions import whole_transaction
from outlive.proxy.redis.unblocking import Unblocking
from outlive.proxy.redis.uploading import UploadingClient
from outlive.session.redis import client_session as steps
from outlive.session.redis.commands import Wait
from outlive.upstream.redis.key import HELD, SHORTLY
from outlive.wire.redis.commands import arguments_of
from outlive.wire.redis.values import command, error, null

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.redis.services import RedisServices
    from outlive.proxy.redis.users import Trial
    from outlive.session.redis.client_session import RedisSession
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.route import RedisRoute

_PING: Final = command(b"PING")
_DISCARD: Final = command(b"DISCARD")
_WITHOUT_LOGIN: Final = (b"AUTH", b"HELLO", b"QUIT", b"RESET")


class RedisClient(UploadingClient):
    """See the module."""

    __slots__ = ("_unblocking", "subscribed", "trial")

    def __init__(self, channel: Channel, session: RedisSession, route: RedisRoute, services: RedisServices) -> None:
        UploadingClient.__init__(self, channel, session, route, services)
        self.trial: Trial | None = None
        self.subscribed = subscriptions.Subscriptions()
        self._unblocking: Unblocking | None = None

    # -- which way ---------------------------------------------------------------------------------

    def special(self, data: bytes, at: int, end: int) -> int:
        """See `SharingClient`."""
        name = self._scanner.name
        if name is None:
            arguments = self._scanner.inline
            if not arguments:
                return end  # an empty line, which is not answered
            whole = command(*arguments)
            name = arguments[0]
        else:
            whole = data if not at and end == len(data) else data[at:end]
            arguments = []
        kind = kind_of_name(name)
        if kind not in (ORDINARY, ALONE):
            arguments = arguments or arguments_of(data, at, end)
            kind = kind_of(arguments)
        if not self.authenticated and name.upper() not in _WITHOUT_LOGIN:
            self.answer(error("NOAUTH Authentication required."))
            return end
        if kind == FORBIDDEN or (kind == GATED and not self._is_allowed(name)):
            self._refuse(name, kind)
            return end
        if kind == GATED:
            kind = ORDINARY
        if self._raw:
            return end if self._while_monitoring(name, kind, arguments, whole) else 0
        if self.confined and kind not in (SUBSCRIBING, LOCAL, ALONE):  # the server itself knows no such command
            return end if subscriptions.refuse(self, name) else 0
        if kind == LOCAL:
            return end if self._locally(arguments, whole) else 0
        if name.upper() == b"MULTI" and self.connection is None and not (self.mute or self.mute_next):
            behind, count = whole_transaction(data, end)
            if behind:
                self.share_commands(data[at:behind], count + 1)
                return behind
        return end if self._on_own_terms(name, kind, arguments, whole) else 0

    def _is_allowed(self, name: bytes) -> bool:
        allowed = self.route.allowed
        word = name.lower()
        return word in allowed or (word == b"client" and b"client|pause" in allowed)

    def _on_own_terms(self, name: bytes, kind: int, arguments: list[bytes], whole: bytes) -> bool:
        """A command that is sent, over a line or a connection of the client's own. False: it has to wait."""
        if kind == ORDINARY and self.connection is None:
            self.share_commands(whole, 1, muted=self.is_muted())
            return True
        if kind == SUBSCRIBING:
            if self._multi_sent:
                return self._refuse_in_multi(name)
            if name.upper() != b"MONITOR":
                return subscriptions.change(self, name.lower(), arguments)
        blocks = kind == BLOCKING and not self._multi_sent
        if blocks and self._wait is None:
            self._wait = Wait(arguments)
        if not self.lease(HELD if blocks or kind == SUBSCRIBING else SHORTLY):
            if self._refusal:
                refusal, self._refusal = self._refusal, ""
                self._wait = None
                self.answer_not_run(error(refusal))
                return True
            return False
        if kind == SUBSCRIBING:
            return self._begin_monitoring(whole)
        if blocks:
            return self._block(whole)
        self._send_plain(name, kind, whole)
        return True

    def _send_plain(self, name: bytes, kind: int, whole: bytes) -> None:
        step = steps.STEPS.get(name.upper(), steps.PLAIN) if kind == TRANSACTION else steps.PLAIN
        if step == steps.EXEC and self.session.aborted:
            step, whole = steps.ABORTED, _DISCARD
        if step == steps.MULTI:
            self._multi_sent = True
        elif step in (steps.EXEC, steps.DISCARD, steps.ABORTED):
            self._multi_sent = False
        self.send_step(whole, step)

    def _refuse(self, name: bytes, kind: int) -> None:
        shown = name.decode("ascii", "replace")[:64].upper()
        self.services.metrics.errors.add("refused")
        if self._multi_sent:
            self.session.aborted = True
        if kind == GATED:
            self.answer(error(f"NOPERM Outlive: {shown} is an operator's command, which allow_commands does not name"))
        else:
            self.answer(error(f"ERR Outlive: {shown} is not possible through a connection pool"))

    def _refuse_in_multi(self, name: bytes) -> bool:
        self.session.aborted = True
        self.answer(error(f"ERR Outlive: {name.decode('ascii', 'replace')[:64].upper()} is not possible inside MULTI"))
        return True

    def _locally(self, arguments: list[bytes], whole: bytes) -> bool:
        """A command about the session itself. False: it has to wait."""
        name = arguments[0].upper()
        if self._multi_sent and name not in (b"QUIT", b"RESET"):
            if name not in (b"PING", b"ECHO"):
                return self._refuse_in_multi(name)
            self.send_step(whole, steps.PLAIN)
            return True
        return local.answer(self, name, arguments)

    def answer_not_run(self, answer: bytes) -> None:
        """See `LeasingClient`."""
        self.answer(answer)

    # -- what blocks -------------------------------------------------------------------------------

    def _block(self, whole: bytes) -> bool:
        """BLPOP and its like: for what is left of its time."""
        wait = self._wait
        assert wait is not None
        waited = self.services.time() - self.waiting_since if self.waiting_since else 0.0
        if self._expected:
            return False  # one wait at a time: what it waits behind may take any time
        self.waiting_since = 0.0
        if wait.counts_replicas:
            # The server counts from this connection's own last command: with one just now, from all that was written.
            self.send_step(_PING, steps.OWN, muted=True)
        elif waited > 0.005 and wait.seconds is not None:
            whole = command(*wait.shortened(waited))
        self.send_step(whole, steps.BLOCK)
        self.flush()
        return True

    def nothing(self) -> bytes | None:
        """See `LeasingClient`."""
        wait = self._wait
        if wait is None or wait.seconds is None or wait.counts_replicas:
            return None
        return null(self.session.protocol, array=wait.is_array)

    @property
    def is_queued(self) -> bool:
        """Whether all that is unanswered waits for a connection still: nothing of it has reached a server."""
        if self.phase == WAITING:
            return not self._outstanding and not self._expected
        line, entry = self._line, self._entry
        return self._outstanding == 1 and line is not None and entry is not None and line.is_pending(entry)

    @property
    def is_blocked(self) -> bool:
        """Whether it waits at the server for what others may give it."""
        return self.phase == RELAYING and bool(self._expected) and self._expected[-1][0] == steps.BLOCK

    # -- MONITOR -----------------------------------------------------------------------------------

    def _begin_monitoring(self, whole: bytes) -> bool:
        if self._expected:
            return False
        self.session.pins["monitor"] = None
        self.services.pinned(self)
        self._raw = True
        self._reserved = False
        self._out.append(whole)
        return True

    def _while_monitoring(self, name: bytes, kind: int, arguments: list[bytes], whole: bytes) -> bool:
        word = name.upper()
        if word in (b"QUIT", b"RESET"):
            return local.answer(self, word, arguments)
        if kind == ORDINARY or word in (b"PING", b"ECHO"):
            self._out.append(whole)
        else:
            shown = word.decode("ascii", "replace")[:64]
            self.answer_loudly(error(f"ERR Outlive: {shown} is not possible on a connection that monitors"))
        return True

    # -- see Client and ProxiedClient ----------------------------------------------------------------

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`."""
        return not self._expected and not self._raw

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`."""
        return self.session.in_multi or self.session.watching

    @property
    def may_be_silent(self) -> bool:
        """See `ProxiedClient`: who monitors listens."""
        return self._raw or bool(self._expected)

    @property
    def is_at_rest(self) -> bool:
        """See `ProxiedClient`. Who waits for others loses nothing but its wait."""
        if self.is_blocked or self._raw:
            return True
        return self.phase == READY and self.connection is None and not self._inbox and not self._outstanding

    def end(self, kind: str) -> None:
        """See `ProxiedClient`."""
        if not self.is_outstanding:
            self.channel.send(error(f"ERR Outlive: this connection was ended ({kind})"))
        self.channel.close()

    def end_for_drain(self) -> None:
        """See `ProxiedClient`. Who is blocked has its nothing first, or what came for it in the last moment."""
        if not self.is_blocked:
            self.channel.close()
        elif self._unblocking is None:
            self._unblocking = Unblocking(self.server, self.connection, self.session.user, self._is_unblocked)
            self._unblocking.begin()

    def _is_unblocked(self) -> bool:
        return not self.is_blocked

    def keep_alive(self) -> None:
        """See `ProxiedClient`. By default Redis ends no connection for its silence."""

    def subscription_lost(self, why: str) -> None:
        """See `Subscriber`. Messages may have been missed, which only the end of the connection says."""
        self.services.metrics.errors.add("server_lost")
        self.channel.close()

    def client_lost(self) -> None:
        """See `ProxiedClient`."""
        if self.phase == CLOSED:
            return
        line = self._line
        if line is not None and self._outstanding:
            line.forget(self)
        if self.trial is not None:
            self.trial.cancel()
        self.subscribed.leave(self)
        self._aside.clear()
        UploadingClient.client_lost(self)

    def abandon(self, connection: RedisConnection, phase: int) -> None:
        """See `ProxiedClient`."""
        blocked = [step for step, _, _ in self._expected]
        dirty = self.session.holds or self._multi_sent or any(step != steps.PLAIN for step in blocked)
        leftover = Leftover(self.server, connection, self.route, self.session.user)
        leftover.begin(
            blocked,
            self._replies,
            dirty=dirty,
            useless=self._raw or bool(self.session.pins) or self._stream is not None,
            wait=self._wait,
        )
