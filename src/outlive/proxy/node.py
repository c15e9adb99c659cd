"""One node: the listeners, signals, reload and drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import uvloop

from outlive.config.addresses import Address
from outlive.config.errors import ConfigError
from outlive.config.load import reload
from outlive.config.model import Config
from outlive.config.rules import descriptors_needed
from outlive.gateway.apis import routes
from outlive.gateway.operations import MAX_CONCURRENT, Operations, serve_operations
from outlive.net.certificates import CertificateError, Certificates, listener_certificates
from outlive.net.sockets import raise_open_files_limit
from outlive.observe import log as logs
from outlive.observe.log import fields
from outlive.observe.metrics import Metrics
from outlive.proxy.channel import Channel
from outlive.proxy.mysql.assembly import MySQLAssembly
from outlive.proxy.mysql.services import MySQLServices
from outlive.proxy.operator import Operator
from outlive.proxy.postgres.assembly import PostgresAssembly
from outlive.proxy.postgres.services import PostgresServices
from outlive.proxy.redis.assembly import RedisAssembly
from outlive.proxy.redis.services import RedisServices
from outlive.proxy.sweep import sweep
from outlive.proxy.tcp.assembly import TCPAssembly
from outlive.proxy.tcp.services import TCPServices
from outlive.proxy.tcp.wire import TCPWire
from outlive.proxy.wire import Listener, Wire

log = logging.getLogger("outlive.node")

SWEEP_S = 1.0
BACKLOG = 4096
_GC_THRESHOLDS = (50_000, 50, 100)
CLOSE_S = 5.0
"""How long server connections may take to close at the end of the drain."""


def run(config: Config, on_serving: Callable[[Mapping[str, Address]], None] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status. Raises OSError where a listener cannot be had.

    `on_serving` gets the listeners' addresses by protocol when clients can connect.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the node can reload: it must not be ended by it
    raise_open_files_limit(descriptors_needed(config))
    # A query leaves no garbage in cycles, and a full collection walks every idle client: it may come seldom.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    return uvloop.run(_serve(config, on_serving))


async def _serve(config: Config, on_serving: Callable[[Mapping[str, Address]], None] | None) -> int:
    node = Node(config)
    await node.start()
    if on_serving is not None:
        on_serving(node.addresses)
    await node.stopped.wait()
    await node.drain()
    return 0


class Node:
    """A running node. `draining` and `metrics` are what the operations port shows."""

    def __init__(self, config: Config) -> None:
        self._loop = asyncio.get_running_loop()
        self.config = config
        self.metrics = Metrics()
        self.draining = False
        self.stopped = asyncio.Event()
        mysql = MySQLAssembly(self.metrics, config.node)
        postgres = PostgresAssembly(self.metrics, config.node)
        redis = RedisAssembly(self.metrics, config.node)
        tcp = TCPAssembly(self.metrics, config.node)
        self._wires = [
            Wire(mysql, MySQLServices(config, self.metrics, mysql.routes)),
            Wire(postgres, PostgresServices(config, self.metrics, postgres.routes)),
            Wire(redis, RedisServices(config, self.metrics, redis.routes)),
            TCPWire(tcp, TCPServices(config, self.metrics, tcp.routes)),
        ]
        operator = Operator(self._wires, lambda: self.config, self.reload)
        for wire in self._wires:
            wire.services.operator = operator
        self._operations: list[Operations] = []
        self._opening: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Does not wait for the database, which may be away. Raises OSError and CertificateError."""
        config = self.config
        self._loop.set_exception_handler(_log_crash)
        listener_certificates = _listener_certificates(config)
        self._apply(config, listener_certificates)
        for wire in self._wires:
            await self._listen(wire, config)
        await self._open_operations()  # last: `/readyz` is 200 when clients can connect
        for number, call in (
            (signal.SIGTERM, self.stopped.set),
            (signal.SIGINT, self.stopped.set),
            (signal.SIGHUP, self.reload),
        ):
            self._loop.add_signal_handler(number, call)
        self._sweep()
        http = Address(config.listen.http.host, self._operations[0].port)
        log.info("serving", extra=fields(**self.addresses, http=http, node=config.node))

    @property
    def addresses(self) -> dict[str, Address]:
        """Where it listens, by protocol; of TCP by entry."""
        return {found.name: found.address for wire in self._wires for found in wire.listeners.values()}

    async def _open_operations(self) -> None:
        listen = self.config.listen
        own_metrics = listen.admin is not None
        self._operations.append(
            await serve_operations(
                listen.http.host,
                listen.http.port,
                self,
                metrics=not own_metrics,
                more=routes(lambda: self.config, self._wires),
                max_requests=MAX_CONCURRENT + (self.config.http.max_connections if self.config.principals else 0),
                http=lambda: self.config.http,
            )
        )
        if listen.admin is not None:
            self._operations.append(await serve_operations(listen.admin.host, listen.admin.port, self, probes=False))

    async def _listen(self, wire: Wire, config: Config) -> None:
        """Opens the wire's listeners where the configuration has databases for their clients."""
        for key, (name, (host, port), new_channel) in wire.doors(config).items():
            if key not in wire.listeners:
                server = await self._loop.create_server(new_channel, host, port, backlog=BACKLOG)
                address = Address(host, server.sockets[0].getsockname()[1])
                wire.listeners[key] = Listener(name, address, server)

    def _apply(self, config: Config, listener_certificates: Certificates | None) -> None:
        """Raises CertificateError before anything is changed."""
        certificates = [wire.assembly.certificates(config) for wire in self._wires]
        for wire, found in zip(self._wires, certificates, strict=True):
            wire.services.listener_certificates = listener_certificates
            wire.services.configure(config)
            wire.apply(config, found, self._loop.time())

    def _sweep(self) -> None:
        for wire in self._wires:
            sweep(wire.services, wire.assembly.all_servers())
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    # -- reload ------------------------------------------------------------------------------------

    def reload(self) -> bool:
        """SIGHUP: the same sources, read afresh. What is wrong is refused with its line, the old one stays: False."""
        if self.draining:
            return False
        try:
            config = reload(self.config)
            self._apply(config, _listener_certificates(config))
        except (ConfigError, CertificateError) as error:
            self.metrics.reloads_failed += 1
            log.error("reload refused", extra=fields(reason=error))
            return False
        if config.listen != self.config.listen or config.node != self.config.node:
            log.warning("the listeners and the node's number change only with a restart")
        logs.configure(config.log_level)
        raise_open_files_limit(descriptors_needed(config))
        self.config = config
        self.metrics.reloads_ok += 1
        log.info("reloaded")
        self._opening = self._loop.create_task(self._open_and_close(config))
        return True

    async def _open_and_close(self, config: Config) -> None:
        """Listeners for what came with a reload; those of what it took away close."""
        for wire in self._wires:
            for key in wire.listeners.keys() - wire.doors(config).keys():
                wire.listeners.pop(key).server.close()
        for wire in self._wires:
            try:
                await self._listen(wire, config)
            except OSError as error:
                log.error("no listener", extra=fields(protocol=wire.protocol, reason=error.strerror))

    # -- drain -------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """SIGTERM: `/readyz` turns 503; after drain_delay_s no more clients; leases finish up to drain_timeout_s; then
        every server connection is closed, and the server's EOF awaited."""
        config = self.config
        self.draining = self.metrics.draining = True
        log.info("draining", extra=fields(clients=self.metrics.clients))
        await asyncio.sleep(config.drain_delay_s)
        for wire in self._wires:
            wire.services.draining = True
            for listener in wire.listeners.values():
                listener.server.close()
        await self._end_clients(config.drain_timeout_s)
        await self._close_servers()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for operations in self._operations:
            await operations.close()
        log.info("stopped")

    def _channels(self) -> list[Channel]:
        return [channel for wire in self._wires for channel in wire.services.channels.values()]

    async def _end_clients(self, timeout_s: float) -> None:
        deadline = self._loop.time() + timeout_s
        while self._channels() and self._loop.time() < deadline:
            self._end_idle()
            if self._channels():
                await asyncio.sleep(_POLL_S)
        for channel in self._channels():
            channel.close()

    def _end_idle(self) -> None:
        """Clients without a lease are done; those in a transaction or a statement may finish."""
        for channel in self._channels():
            client = channel.client
            if client is None:
                channel.close()
            elif client.is_at_rest:
                client.end_for_drain()

    async def _close_servers(self) -> None:
        deadline = self._loop.time() + CLOSE_S
        servers = [server for wire in self._wires for server in wire.assembly.all_servers()]
        for server in servers:
            server.pool.drain()
            server.stir()
        # The pool is pure and tells nobody; and this is the last thing the process does.
        while not all(server.pool.drained for server in servers) and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        for server in servers:
            server.abort_all()


_POLL_S = 0.02


def _log_crash(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A bug: the connection it happened on is closed by the loop. One line, as all others."""
    error = context.get("exception")
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error and error.__traceback__)]
    kind = type(error).__name__  # not its text, which may quote a client's data
    log.error("internal error", extra=fields(where=context.get("message", ""), kind=kind, places=" ".join(places)))


def _listener_certificates(config: Config) -> Certificates | None:
    if config.tls_cert is None or config.tls_key is None:
        return None
    return listener_certificates(config.tls_cert, config.tls_key, config.tls_client_ca)
