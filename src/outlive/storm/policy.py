"""What each remedy is, as data: the storm runs it, and a simulation computes it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Policy:
    """How functions come to a connection under one remedy.

    `ttl_s`, `reap_idle_s`, `reap_every_s` and `transaction_idle_s` are lifetimes: seconds of the world, which a run
    shortens (`scaled`). `queue_timeout_s` is a wait: seconds that are never shortened.
    """

    name: str
    title: str
    connection: Literal["function", "request", "ttl", "pool"] = "function"
    """Who has a connection, and for how long: an instance for its life, a request, an instance for at most `ttl_s` (it
    looks at the age when a request comes, as nothing runs between), or processes that share a few for all requests."""
    ttl_s: float | None = None
    closes_at_end: bool = False
    """SIGTERM comes before the end, and connections are closed; else they vanish without a word."""
    pool_processes: int | None = None
    pool_size: int | None = None
    """Connections of each of `pool_processes`."""
    reap_idle_s: float | None = None
    reap_every_s: float | None = None
    """Every so often connections idle for `reap_idle_s` are ended at the database; their functions find out with their
    next request."""
    multiplexed: Literal["transaction", "session", ""] = ""
    """What a proxy gives a client a server connection for; empty: nothing stands between."""
    budget: int | None = None
    """The most server connections of the proxy."""
    queue_timeout_s: float | None = None
    """How long a client waits for one of them before it is refused."""
    transaction_idle_s: float | None = None
    """After which the proxy takes a server connection from a client that is silent inside a transaction."""
    client_idle_s: float | None = None
    """After which the proxy ends a silent client, and with `session` its server connection."""

    @property
    def brief(self) -> str:
        """The title up to its first comma."""
        return self.title.partition(",")[0]

    def scaled(self, time_scale: float) -> "Policy":
        """With lifetimes in seconds of a run, `time_scale` times shorter."""
        names = ("ttl_s", "reap_idle_s", "reap_every_s", "transaction_idle_s", "client_idle_s")
        lifetimes = {name: value / time_scale for name in names if (value := getattr(self, name)) is not None}
        return replace(self, **lifetimes)

    def as_json(self) -> dict[str, object]:
        """Every field that says something about it."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


_BUDGET: Final = 60  # of a hundred connections, PostgreSQL's default: others want some too

POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            Policy("persistent", "each function keeps its connection: nothing is done"),
            Policy("per-request", "a new connection for every request", connection="request"),
            Policy("ttl", "a new connection every few minutes", connection="ttl", ttl_s=180.0),
            Policy(
                "container",
                "long-lived containers with a pool each, which get SIGTERM",
                connection="pool",
                closes_at_end=True,
                pool_processes=4,
                pool_size=10,
            ),
            Policy("reaper", "outlive reap beside functions as they are", reap_idle_s=120.0, reap_every_s=60.0),
            Policy(
                "proxy",
                "through Outlive's wire port",
                multiplexed="transaction",
                budget=_BUDGET,
                queue_timeout_s=10.0,
                transaction_idle_s=10.0,
            ),
            Policy(
                "http",
                "through Outlive's HTTP port",
                multiplexed="transaction",
                budget=_BUDGET,
                queue_timeout_s=10.0,
                transaction_idle_s=10.0,
            ),
            Policy(
                "pgbouncer",
                "through PgBouncer, by transaction",
                multiplexed="transaction",
                budget=_BUDGET,
                queue_timeout_s=120.0,
            ),
            Policy(
                "haproxy",
                "through HAProxy with maxconn, which knows no transactions",
                multiplexed="session",
                budget=_BUDGET,
                queue_timeout_s=5.0,
                client_idle_s=300.0,
            ),
        )
    }
)
"""By name, in the order in which they are shown."""
