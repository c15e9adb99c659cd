"""What the Redis clients of one node share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from outlive.config.model import Config
from outlive.observe.metrics import Metrics
from outlive.proxy.redis.channel import RedisChannel
from outlive.proxy.redis.gate import RedisGate
from outlive.proxy.redis.users import Judge, RedisUsers
from outlive.proxy.routes import Routes
from outlive.proxy.services import Services
from outlive.wire.redis.values import error

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.users import Users


class RedisServices(Services):
    """See `Services`."""

    listener = "redis"
    channels: dict[int, RedisChannel]
    routes: Routes[RedisRoute]

    def __init__(self, config: Config, metrics: Metrics, routes: Routes[RedisRoute]) -> None:
        Services.__init__(self, config, metrics, routes)
        self.judge = Judge(self)
        self._users: dict[Users, RedisUsers] = {}
        self._waiting: dict[Callable[[], None], None] = {}

    def new_channel(self) -> RedisChannel:
        """See `Services`."""
        return RedisChannel(self)

    def new_gate(self, channel: Channel) -> RedisGate:
        """See `Services`."""
        return RedisGate(channel, self)

    def turn_away(self, channel: Channel) -> None:
        """See `Services`. In the server's own words, which client libraries know."""
        channel.send(error("ERR max number of clients reached"))

    def look_after(self) -> None:
        """See `Services`."""

    def users_of(self, route: RedisRoute) -> RedisUsers:
        """Whose passwords count on this route."""
        users = route.servers[0].dialer.users
        found = self._users.get(users)
        if found is None:
            found = self._users[users] = RedisUsers(users)
        return found

    def when_known(self, call: Callable[[], None]) -> None:
        """`call` once a server was reached for the first time."""
        self._waiting[call] = None

    def waits_no_more(self, call: Callable[[], None]) -> None:
        """Takes it back."""
        self._waiting.pop(call, None)

    def server_known(self) -> None:
        """See `Services`."""
        waiting, self._waiting = self._waiting, {}
        for call in waiting:
            call()
