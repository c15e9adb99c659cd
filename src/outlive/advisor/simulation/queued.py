"""A few connections shared by all, with a queue: proxies by transaction and by session, and pools of processes."""

from collections.abc import Iterable
from functools import partial

from outlive.advisor.simulation.leases import Leases, Waiter
from outlive.advisor.simulation.model import Instance, Request
from outlive.advisor.simulation.setting import DEAD_CLIENT_S, Setting
from outlive.storm.load import Invocation


class _Queue:
    """What they have in common: who gets no connection in time was refused, whoever lost patience first."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def ask(self, leases: Leases, waiter: Waiter) -> None:
        gives_up_s, timeout_s = waiter.request.gives_up_s, self._setting.policy.queue_timeout_s
        patience_s = gives_up_s if timeout_s is None else min(gives_up_s, self._setting.events.now + timeout_s)
        leases.ask(waiter, patience_s)

    def expired(self, request: Request) -> None:
        self._setting.finish_at(self._setting.events.now, request, "refused", late="refused")


class TransactionLeases:
    """A proxy that gives a client a server connection for a transaction.

    It is near the database: what it takes to open one is not counted.
    """

    def __init__(self, setting: Setting) -> None:
        assert setting.policy.budget is not None
        self._setting = setting
        self._queue = _Queue(setting)
        self._leases = Leases(setting.events, setting.places, setting.policy.budget)
        self.held_by_dead = 0

    def start(self, request: Request) -> None:
        if request.instance.connected is None:
            request.instance.connected = self._setting.events.now
            self._setting.handshakes += 1
            # The proxy logs the client in by itself: no server connection is taken meanwhile.
            self._setting.events.at(self._setting.events.now + self._setting.timing.handshake_s, self._ask, request)
        else:
            self._ask(request)

    def vanish(self, instances: Iterable[Instance]) -> None:
        setting = self._setting
        for instance in instances:
            if setting.load.unfinished(instance.number):
                dying = _dying(instance, setting)
                self._queue.ask(self._leases, Waiter(dying, self._died, lambda _: None))

    def _ask(self, request: Request) -> None:
        self._queue.ask(self._leases, Waiter(request, self._granted, self._expired))

    def _expired(self, request: Request) -> None:
        # The client is connected: who loses patience first has no answer, and only the proxy can refuse.
        now = self._setting.events.now
        self._setting.finish_at(now, request, "failed" if now >= request.gives_up_s else "refused")

    def _granted(self, request: Request, new: bool) -> None:
        setting = self._setting
        now, timing, database_s = setting.events.now, setting.timing, request.invocation.database_s
        setting.events.at(now + timing.lease_s + database_s + timing.request_s, self._leases.give_back)
        setting.finish_at(now + timing.transaction_s + database_s + timing.request_s, request, "answered")

    def _died(self, request: Request, new: bool) -> None:
        # Who has no limit for clients that are silent inside a transaction waits for the kernel, longer than any run.
        self.held_by_dead += 1
        limit_s = self._setting.policy.transaction_idle_s
        if limit_s is not None:
            self._setting.events.at(self._setting.events.now + min(limit_s, DEAD_CLIENT_S), self._taken_back)

    def _taken_back(self, _: None) -> None:
        self.held_by_dead -= 1
        self._leases.give_back()


def _dying(instance: Instance, setting: Setting) -> Request:
    """The transaction that `instance` starts at its end."""
    now = setting.events.now
    last = Invocation(now, instance.number, turn=-1, cold=False, function_s=0.0, database_s=0.0)
    return Request(instance, last, now, now + setting.load.timeout_s)


class ClientConnections:
    """A proxy that knows no transactions: a client has a server connection for as long as it is connected."""

    def __init__(self, setting: Setting) -> None:
        assert setting.policy.budget is not None
        self._setting = setting
        self._queue = _Queue(setting)
        self._leases = Leases(setting.events, setting.places, setting.policy.budget)
        self._dead: set[Instance] = set()

    @property
    def held_by_dead(self) -> int:
        return sum(instance.connected is not None for instance in self._dead)

    def start(self, request: Request) -> None:
        if request.instance.ended:
            # The statement meets a connection that is gone, and is not sent again: it may have run.
            request.instance.ended = False
            self._setting.finish_at(self._setting.events.now + self._setting.load.rtt_s, request, "failed")
        elif request.instance.connected is None:
            self._queue.ask(self._leases, Waiter(request, self._granted, self._queue.expired))
        else:
            self._answer(request, 0.0)

    def vanish(self, instances: Iterable[Instance]) -> None:
        # Nobody tells the proxy: each connection goes when it has been silent for long enough.
        self._dead = {instance for instance in (*self._dead, *instances) if instance.connected is not None}

    def _granted(self, request: Request, new: bool) -> None:
        request.instance.connected = self._setting.events.now
        self._answer(request, self._setting.handshake_s())

    def _answer(self, request: Request, handshake_s: float) -> None:
        setting, timing = self._setting, self._setting.timing
        done_s = setting.events.now + handshake_s + timing.transaction_s
        done_s += request.invocation.database_s + timing.request_s
        request.instance.used_s = done_s
        setting.finish_at(done_s, request, "answered")
        if setting.policy.client_idle_s is not None:
            setting.events.at(done_s + setting.policy.client_idle_s, self._silent, (request.instance, done_s))

    def _silent(self, seen: tuple[Instance, float]) -> None:
        instance, used_s = seen
        if instance.connected is not None and instance.used_s == used_s and not instance.busy:
            instance.connected = None
            instance.ended = True
            self._leases.replace()


class ProcessPools:
    """Long-lived processes with a pool each; requests go to them in turn."""

    def __init__(self, setting: Setting) -> None:
        assert setting.policy.pool_processes is not None
        assert setting.policy.pool_size is not None
        self._setting = setting
        self._queue = _Queue(setting)
        size = setting.policy.pool_size
        self._pools = [Leases(setting.events, setting.places, size) for _ in range(setting.policy.pool_processes)]
        self.held_by_dead = 0

    def start(self, request: Request) -> None:
        pool = self._pools[request.instance.number % len(self._pools)]
        self._queue.ask(pool, Waiter(request, partial(self._granted, pool), self._queue.expired))

    def vanish(self, instances: Iterable[Instance]) -> None:
        # The processes are replaced, as at a deployment: SIGTERM lets them close what they have.
        places = self._setting.places
        for pool in self._pools:
            for _ in range(pool.forget()):
                if self._setting.policy.closes_at_end:
                    places.give_back()
                else:
                    places.abandon(self._setting.events.now)

    def _granted(self, pool: Leases, request: Request, new: bool) -> None:
        setting, timing = self._setting, self._setting.timing
        done_s = setting.events.now + timing.transaction_s + request.invocation.database_s + timing.request_s
        if new:
            done_s += setting.handshake_s()
        setting.events.at(done_s, pool.give_back)
        setting.finish_at(done_s, request, "answered")
