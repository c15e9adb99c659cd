"""A Redis client's socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.channel import Channel

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient
    from outlive.proxy.redis.services import RedisServices


class RedisChannel(Channel):
    """See `Channel`."""

    __slots__ = ()

    services: RedisServices
    client: RedisClient | None
