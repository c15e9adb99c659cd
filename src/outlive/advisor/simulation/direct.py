"""Functions with connections of their own to the database: kept, recycled by age, or one a request."""

from collections.abc import Iterable

from outlive.advisor.simulation.model import Instance, Request
from outlive.advisor.simulation.setting import Setting


class KeptConnections:
    """Each instance keeps its connection, for its life or for at most `ttl_s`; a reaper may end idle ones."""

    held_by_dead = 0

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._connected: dict[Instance, None] = {}
        """Those alive that have a connection."""
        every_s = setting.policy.reap_every_s
        if every_s is not None:
            setting.events.at(every_s, self._reap)

    def start(self, request: Request) -> None:
        setting, instance = self._setting, request.instance
        now, timing = setting.events.now, setting.timing
        ttl_s = setting.policy.ttl_s
        if instance.connected is not None and ttl_s is not None and now - instance.connected >= ttl_s:
            self._drop(instance)
            setting.places.give_back()
        if instance.ended:
            # The statement meets a connection that is gone, and is not sent again: it may have run.
            instance.ended = False
            setting.finish_at(now + setting.load.rtt_s, request, "failed")
            return
        done_s = now
        if instance.connected is None:
            handshake_s = self._connect(instance)
            if handshake_s is None:
                setting.finish_at(now + timing.refusal_s, request, "refused")
                return
            done_s += handshake_s
        done_s += timing.transaction_s + request.invocation.database_s + timing.request_s
        instance.used_s = done_s
        setting.finish_at(done_s, request, "answered")

    def vanish(self, instances: Iterable[Instance]) -> None:
        # Who starts a last transaction asks for a connection, too.
        for instance in instances:
            if instance.connected is None and self._setting.load.unfinished(instance.number):
                self._connect(instance)
                instance.used_s = self._setting.events.now
        # In the order of their last use, which is what the reaper goes by.
        connected = [each for each in instances if each.connected is not None]
        for instance in sorted(connected, key=lambda each: each.used_s):
            self._drop(instance)
            self._setting.places.abandon(instance.used_s)

    def _connect(self, instance: Instance) -> float | None:
        """How long it takes; None: there is no place."""
        if not self._setting.places.take():
            return None
        self._connected[instance] = None
        instance.connected = self._setting.events.now
        return self._setting.handshake_s()

    def _drop(self, instance: Instance) -> None:
        instance.connected = None
        del self._connected[instance]

    def _reap(self, _: None) -> None:
        setting = self._setting
        idle_s, every_s = setting.policy.reap_idle_s, setting.policy.reap_every_s
        assert idle_s is not None
        assert every_s is not None
        before_s = setting.events.now - idle_s
        setting.places.end_dead(before_s)
        if not setting.sees_hosts:
            # A frozen function's connection looks the same. It finds out with its next request.
            for instance in [each for each in self._connected if not each.busy and each.used_s <= before_s]:
                self._drop(instance)
                instance.ended = True
                setting.places.give_back()
        setting.events.at(setting.events.now + every_s, self._reap)


class RequestConnections:
    """A new connection for each request, closed at its end."""

    held_by_dead = 0

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def start(self, request: Request) -> None:
        setting = self._setting
        setting.events.at(setting.events.now + setting.timing.arrives_s, self._arrive, request)

    def _arrive(self, request: Request) -> None:
        setting = self._setting
        timing, began_s = setting.timing, setting.events.now - setting.timing.arrives_s
        if not setting.places.take():
            setting.finish_at(began_s + timing.refusal_s, request, "refused")
            return
        done_s = began_s + setting.handshake_s() + timing.transaction_s
        done_s += request.invocation.database_s + timing.request_s
        setting.finish_at(done_s, request, "answered")
        # The database counts it until the client's close has come there.
        setting.events.at(done_s + setting.load.rtt_s / 2, self._close)

    def vanish(self, instances: Iterable[Instance]) -> None:
        # Who dies inside a transaction leaves the connection of that one.
        for instance in instances:
            if self._setting.load.unfinished(instance.number) and self._setting.places.take():
                self._setting.handshakes += 1
                self._setting.places.abandon(self._setting.events.now)

    def _close(self, _: None) -> None:
        self._setting.places.give_back()
