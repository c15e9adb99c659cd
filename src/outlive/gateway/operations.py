"""`/healthz`, `/readyz` and `/metrics`, served by uvicorn inside the node's own loop.

In the same loop on purpose: a node whose loop hangs must fail its health check.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outlive import __version__
from outlive.config.http import Http
from outlive.gateway.connection import HttpConnection
from outlive.gateway.encryption import Encryption
from outlive.gateway.endpoint import Endpoint, Post
from outlive.gateway.websocket_connection import WebSocketConnection
from outlive.observe.exposition import expose
from outlive.observe.metrics import Metrics

BACKLOG: Final = 1024
WEBSOCKET_PING_S: Final = 10
WEBSOCKET_PONG_S: Final = 60  # a caller that is slow to read answers late; one that vanished never does
MAX_CONCURRENT: Final = 64  # probes and a few scrapers; more is a mistake that must not take the clients' memory
LOOK_S: Final = 1.0
STOP_S: Final = 1  # an answer takes milliseconds; who still reads after this is cut off


class NodeState(Protocol):
    """What the operations pages know of the node."""

    @property
    def draining(self) -> bool:
        """Whether SIGTERM came: then `/readyz` is 503. A database that is away does not matter: clients wait for it."""

    @property
    def metrics(self) -> Metrics:
        """The node's figures."""


def operations_app(
    state: NodeState, *, probes: bool = True, metrics: bool = True, more: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """The application with the probes, the metrics, or both; and with `more` routes."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        if state.draining:
            return PlainTextResponse("draining\n", 503)
        return PlainTextResponse("ok\n")

    async def figures(request: Request) -> Response:
        body, content_type = expose(state.metrics, __version__)
        return Response(body, media_type=content_type)

    routes: list[BaseRoute] = []
    if probes:
        routes += [Route("/healthz", healthz), Route("/readyz", readyz)]
    if metrics:
        routes.append(Route("/metrics", figures))
    return _straight(_below(Starlette(routes=[*routes, *more]), more), more)


_BELOW: Final = "{path:path}"
"""What starlette calls all paths below one."""


def _below(app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
    """As `_straight`, for an `Endpoint` of all paths below one."""
    below = [
        (route.path.removesuffix(_BELOW), route.app)
        for route in routes
        if isinstance(route, Route) and isinstance(route.app, Endpoint) and route.path.endswith(_BELOW)
    ]

    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for prefix, endpoint in below:
                if scope["path"].startswith(prefix):
                    return await endpoint(scope, receive, send)
        return await app(scope, receive, send)

    return straight


def _straight(app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
    """Requests to an `Endpoint` or `Post` need nothing that starlette does for its own: matching, HTTP exceptions."""
    endpoints = {
        route.path: route.app for route in routes if isinstance(route, Route) and isinstance(route.app, Endpoint | Post)
    }

    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        found = endpoints.get(scope["path"], app) if scope["type"] == "http" else app
        await found(scope, receive, send)

    return straight


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the node has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Operations:
    """A running HTTP listener."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], port: int, http: Callable[[], Http]) -> None:
        self._server = server
        self._task = task
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._looking = self._loop.call_later(LOOK_S, self._look)
        self.port = port

    def _look(self) -> None:
        now, http = self._loop.time(), self._http()
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, HttpConnection | WebSocketConnection):
                connection.look(now, http)
        self._looking = self._loop.call_later(LOOK_S, self._look)

    async def close(self) -> None:
        """Stop listening, let answers finish for up to STOP_S, and close. May be called again."""
        self._server.should_exit = True
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({self._task}, timeout=STOP_S + 1)
        if not self._task.done():
            self._task.cancel()


async def serve_operations(
    host: str,
    port: int,
    state: NodeState,
    *,
    probes: bool = True,
    metrics: bool = True,
    more: Sequence[BaseRoute] = (),
    max_requests: int = MAX_CONCURRENT,
    http: Callable[[], Http] = Http,
) -> Operations:
    """Listen and serve in the running loop. Raises OSError when the address cannot be had; port 0 takes a free one.

    `more` are further routes, and `max_requests` how many connections there may be for all. `http` gives the limits
    at hand, and the files of TLS: raises CertificateError where they cannot be used.
    """
    encryption = Encryption(http) if http().tls_cert is not None else None
    listener = _listen(host, port)
    config = uvicorn.Config(
        operations_app(state, probes=probes, metrics=metrics, more=more),
        http=HttpConnection,
        ssl_context_factory=None if encryption is None else lambda *_: encryption.context,
        ws=WebSocketConnection,
        ws_max_size=http().request_max_bytes,
        ws_per_message_deflate=False,  # it costs more than it saves, and memory a connection
        ws_ping_interval=WEBSOCKET_PING_S,
        ws_ping_timeout=WEBSOCKET_PONG_S,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # anybody may send them
        server_header=False,
        date_header=False,
        limit_concurrency=max_requests,
        timeout_graceful_shutdown=STOP_S,
    )
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]), name="operations")
    return Operations(server, task, listener.getsockname()[1], http)


def _listen(host: str, port: int) -> socket.socket:
    # Bound here and not by uvicorn, which ends the whole process when it cannot.
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
