"""The wait and release service of a node, as its configuration has it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from outlive.config.locks import Locks
from outlive.config.model import Config
from outlive.gateway.answering import Answering
from outlive.gateway.databases import Databases
from outlive.locks.api import LocksApi
from outlive.locks.postgres import PostgresStore
from outlive.locks.redis.store import RedisStore, in_process
from outlive.locks.service import Service
from outlive.locks.state import US, Limits
from outlive.locks.store import Store
from outlive.proxy.redis.services import RedisServices
from outlive.proxy.wire import Wire


def locks_api(answering: Answering, config: Callable[[], Config], wires: Sequence[Wire]) -> LocksApi:
    """For the HTTP listener."""

    def service() -> Service | None:
        found = config()
        locks = found.locks
        if not locks.database:
            return None
        # A SQL database or Redis, as check_locks has seen to.
        services: Any = next(wire.services for wire in wires if locks.database in wire.services.routes.by_name)
        return Service(
            _store(answering.databases, services, locks),
            services.metrics,
            wake_s=locks.wake_s,
            recheck_s=locks.recheck_s,
            is_draining=lambda: services.draining,
        )

    return LocksApi(answering, service)


def _store(databases: Databases, services: Any, locks: Locks) -> Store:
    node = secrets.token_hex(6)
    limits = limits_of(locks)
    if isinstance(services, RedisServices):
        return RedisStore(in_process(services), locks.table, node, limits, locks.connections)
    return PostgresStore(databases, locks.database, locks.table, node, limits, locks.connections)


def limits_of(locks: Locks) -> Limits:
    """The model's part of the configuration."""
    return Limits(
        ack_us=int(locks.ack_timeout_s * US),
        grace_us=int(locks.grace_s * US),
        remember_us=int(locks.remember_s * US),
        max_waiters=locks.max_waiters,
        max_pending=locks.max_pending,
    )
