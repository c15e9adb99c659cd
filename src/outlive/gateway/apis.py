"""Every API of a node over HTTP: the native one, and the dialects that clients speak already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute

from outlive.config.model import Config
from outlive.gateway.answering import Answering
from outlive.gateway.api import Api
from outlive.gateway.declared.api import Declared
from outlive.gateway.neon.api import Neon
from outlive.gateway.neon.websocket import NeonSockets
from outlive.gateway.planetscale.api import PlanetScale
from outlive.gateway.rds.api import RdsDataApi
from outlive.gateway.upstash.api import Upstash
from outlive.gateway.users import DatabaseUsers
from outlive.locks.node import locks_api
from outlive.proxy.postgres.services import PostgresServices
from outlive.proxy.redis.services import RedisServices
from outlive.proxy.wire import Wire


def routes(config: Callable[[], Config], wires: Sequence[Wire]) -> list[BaseRoute]:
    """For the HTTP listener. `config` gives the configuration at hand."""
    answering = Answering(config, wires)
    users = DatabaseUsers(answering.databases)
    postgres = [wire.services for wire in wires if isinstance(wire.services, PostgresServices)]
    sockets = [NeonSockets(answering, services) for services in postgres]
    redis = [wire.services for wire in wires if isinstance(wire.services, RedisServices)]
    upstash = [Upstash(answering, services) for services in redis]
    dialects: tuple[Neon | NeonSockets | PlanetScale | RdsDataApi, ...] = (
        Neon(answering, users),
        *sockets,
        PlanetScale(answering, users),
        RdsDataApi(answering),
    )
    locks = locks_api(answering, config, wires)
    return [
        *(route for each in upstash for route in each.routes()),
        *Api(answering).routes(),
        *locks.routes(),
        *Declared(answering).routes(),
        *(route for dialect in dialects for route in dialect.routes()),
        *(route for each in upstash for route in each.paths()),
    ]
