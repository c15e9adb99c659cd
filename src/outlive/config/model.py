"""The configuration as one frozen model.

Each option's unit is in its name (`_s`, `_ms`, `_bytes`; no unit: a count). Its range and its reason stand in its
annotation, from which `reference.py` writes docs/configuration.md, so there is one place to change.
The model is plain data: `rules.py` says which values fit together, `load.py` reads it from TOML, URLs and environment.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from outlive.config.addresses import Address
from outlive.config.http import Http, Principal
from outlive.config.jwt import Jwt
from outlive.config.locks import Locks
from outlive.config.operations import Operation
from outlive.config.origin import Origin
from outlive.config.secrets import EMPTY, Secret

LogLevel = Literal["debug", "info", "warning", "error"]
TlsMode = Literal["disabled", "required", "verify-ca", "verify-identity"]
ClientConnection = Literal["session", "transaction"]
ProxyProtocol = Literal[
    "off", "required", "required-mysql", "required-postgres", "required-redis", "required-tcp"
]
Protocol = Literal["mysql", "postgresql", "redis", "tcp"]
PoolMode = Literal["transaction", "session"]
Reset = Literal["auto", "always"]
ClientAuthentication = Literal["scram-sha-256", "md5", "password", "cert"]
ChannelBinding = Literal["prefer", "require"]

ANY_DATABASE: Final = "*"  # the entry that serves clients which name no database, or one without an entry


class Listen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where Outlive listens, each `HOST:PORT`; port 0 takes a free one."""

    mysql: Annotated[
        Address,
        Meta(description="Clients that speak MySQL. Loopback by default, so that nothing is open by accident."),
    ] = Address("127.0.0.1", 6033)
    postgres: Annotated[
        Address,
        Meta(description="Clients that speak PostgreSQL."),
    ] = Address("127.0.0.1", 6432)
    redis: Annotated[
        Address,
        Meta(description="Clients that speak Redis' protocol, RESP2 or RESP3."),
    ] = Address("127.0.0.1", 6380)
    tcp: Annotated[
        Address,
        Meta(description="Clients of the one `tcp://` entry that has no `listen` of its own."),
    ] = Address("127.0.0.1", 6700)
    http: Annotated[
        Address,
        Meta(description="`/healthz`, `/readyz` and `/metrics`; with principals, SQL over HTTP."),
    ] = Address("127.0.0.1", 8080)
    admin: Annotated[
        Address | None,
        Meta(description="Moves `/metrics` to a port of its own, for an HTTP port that others reach."),
    ] = None

    def of(self, protocol: str) -> Address:
        """Where the clients of a protocol connect; of `tcp`, those of an entry without an address of its own."""
        return {"mysql": self.mysql, "postgresql": self.postgres, "redis": self.redis, "tcp": self.tcp}[protocol]


class Database(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One database (of MySQL: a schema) that clients ask for by name, the servers it lives on and how they are used.

    The budget (`max_connections`) belongs to a server, one host and port: databases on the same server share it.
    """

    # Where it is and who logs in.
    scheme: Annotated[
        Protocol,
        Meta(description="The protocol; a URL says it."),
    ] = "mysql"
    hosts: Annotated[
        tuple[Address, ...],
        Meta(
            min_length=1,
            max_length=16,
            description="Servers, tried in this order at each dial; the one that accepts writes is the primary.",
        ),
    ]
    replicas: Annotated[
        tuple[Address, ...],
        Meta(max_length=16, description="Servers that clients of `NAME.ro` read from."),
    ] = ()
    database: Annotated[
        str,
        Meta(
            max_length=64,
            description=(
                "The database at the server (of MySQL: the schema); by default NAME itself. For `*` none: then it is "
                "the one that the client asks for. Of Redis: the number that clients begin with, by default 0."
            ),
        ),
    ] = ""
    user: Annotated[
        str,
        Meta(
            max_length=128,
            description=(
                "The user that clients log in with, and Outlive at the server. Also issues MySQL's KILL over the "
                "control connection, and runs `auth_query`. Of Redis by default `default`, as whom clients are logged "
                "in without AUTH if it has no password."
            ),
        ),
    ] = ""
    password: Annotated[
        Secret,
        Meta(
            description=(
                "That user's password; `password_env`, `password_file` and `password_command` refer to it instead."
            )
        ),
    ] = EMPTY
    users: Annotated[
        dict[str, Secret],
        Meta(
            description=(
                "Further users, each with a password or `{ env = ... }`, `{ file = ... }`, `{ command = ... }`. "
                "Each logs in at the server as itself."
            )
        ),
    ] = {}
    passthrough: Annotated[
        bool,
        Meta(
            description=(
                "Users that are not listed here are asked for their clear password (over TLS, of MySQL also by RSA; "
                "of Redis as its clients always send it), which is tried at the server."
            )
        ),
    ] = False
    passthrough_attempts_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Most logins of unknown users tried at the server, for each user; guards it from guessing.",
        ),
    ] = 10
    auth_query: Annotated[
        str,
        Meta(
            max_length=4096,
            description=(
                "PostgreSQL only. Asked for users that are not listed here, with their name as $1; the last column of "
                "its one row is the user's SCRAM secret or md5 hash, as in `SELECT rolpassword FROM pg_authid WHERE "
                "rolname = $1 AND rolcanlogin`. `user` runs it on one of its own connections."
            ),
        ),
    ] = ""
    auth_database: Annotated[
        str,
        Meta(
            max_length=64,
            description=(
                "PostgreSQL only. The database in which `auth_query` runs: by default the entry's own, for `*` "
                "postgres."
            ),
        ),
    ] = ""
    client_auth: Annotated[
        ClientAuthentication,
        Meta(
            description=(
                "PostgreSQL only. How clients log in: `scram-sha-256` (where only an md5 hash is known: md5), `md5`, "
                "`password` (a clear password, over TLS only) or `cert` (a certificate whose common name is the user; "
                "needs `tls_client_ca`)."
            )
        ),
    ] = "scram-sha-256"

    listen: (
        Annotated[
            Address,
            Meta(
                description=(
                    "TCP only. Where this entry's clients connect, `HOST:PORT`: their protocol names no database. "
                    "Without it `listen.tcp`."
                )
            ),
        ]
        | None
    ) = None

    # The budget and the queue.
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description=(
                "The budget: the most connections to the server ever. Of MySQL one of them is the control connection's "
                "(KILL), so at least 2; of Redis at least 2, as those that block leave one to those that feed them."
            ),
        ),
    ] = 20
    max_per_key: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=100_000,
                description=(
                    "Most connections of one user and kind of client (PostgreSQL: of one user and database), so that "
                    "none takes all."
                ),
            ),
        ]
        | None
    ) = None
    max_per_user: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=100_000,
                description="PostgreSQL only. Most connections of one user at the server, over all of its databases.",
            ),
        ]
        | None
    ) = None
    max_per_database: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=100_000,
                description="PostgreSQL only. Most connections to one database of the server, over all users.",
            ),
        ]
        | None
    ) = None
    min_idle: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description=(
                "Connections kept open without a client, so that the first request after a quiet time needs no dial."
            ),
        ),
    ] = 0
    max_waiters: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Most clients in the queue; the next one gets error 1040 (PostgreSQL: 53300) at once.",
        ),
    ] = 10_000
    acquire_timeout_s: Annotated[
        float,
        Meta(
            ge=0.001,
            le=3600,
            description=(
                "Longest wait in the queue, then error 1040 (PostgreSQL: 53300). Below the 30 s after which most "
                "functions are stopped."
            ),
        ),
    ] = 10.0
    key_switch_after_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description=(
                "How long clients whose user has an idle connection may overtake the head of the queue; then a "
                "connection is converted for the head (PostgreSQL: closed, and another one dialled)."
            ),
        ),
    ] = 50

    sentinel_master: Annotated[
        str,
        Meta(
            max_length=256,
            description=(
                "Redis only. The name by which Sentinels know the primary: they are asked where it is at each dial. "
                "Also written redis+sentinel://host:26379,host:26379/NAME/0."
            ),
        ),
    ] = ""
    sentinels: Annotated[
        tuple[Address, ...],
        Meta(max_length=16, description="Redis only. Those Sentinels; by default what `hosts` says."),
    ] = ()
    shared_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description=(
                "Redis only. Most connections over which the ordinary commands of one user and database are "
                "multiplexed; a further one is opened while those that exist carry a large reply or many commands."
            ),
        ),
    ] = 4
    allow_commands: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                "Redis only. Commands for operators that clients may send all the same, of: ACL, CLIENT|PAUSE, "
                "COMMANDLOG, CONFIG, DEBUG, FAILOVER, FLUSHALL, LATENCY, MODULE, REPLICAOF, SHUTDOWN, SLAVEOF, "
                "SLOWLOG, SWAPDB."
            ),
        ),
    ] = ()
    return_unclaimed: Annotated[
        bool,
        Meta(
            description=(
                "Redis only. An element that BLPOP, BRPOP, BLMPOP, BZPOPMIN, BZPOPMAX or BZMPOP took for a client that "
                "had died by then is put back (to the same end of the list), and not only counted."
            ),
        ),
    ] = False
    client_output_buffer_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=17_179_869_184,
            description=(
                "Redis only. A client that has not taken this much of its replies from a shared connection is ended: "
                "that connection waits for nobody."
            ),
        ),
    ] = 67_108_864

    # The life of a server connection.
    connect_timeout_s: Annotated[
        float,
        Meta(ge=0.001, le=300, description="Longest dial: name, TCP, TLS and login together."),
    ] = 5.0
    max_age_s: Annotated[
        float,
        Meta(
            ge=1,
            le=604_800,
            description=(
                "A connection is replaced at 80 to 100 % of this age, at random: new addresses are noticed, "
                "but not by all at once."
            ),
        ),
    ] = 1800.0
    idle_timeout_s: Annotated[
        float,
        Meta(ge=1, le=604_800, description="An idle connection above `min_idle` is closed after this."),
    ] = 300.0
    check_after_idle_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="A connection that was idle this long is pinged before it is lent again; 0: each time.",
        ),
    ] = 5.0
    ping_interval_s: Annotated[
        float,
        Meta(
            ge=1,
            le=3600,
            description="Idle connections are pinged this often; it keeps the dead man's switch from firing.",
        ),
    ] = 20.0
    dead_man_s: Annotated[
        int,
        Meta(
            ge=3,
            le=86_400,
            description=(
                "The server ends a connection that was silent this long (MySQL's session `wait_timeout`, PostgreSQL's "
                "`idle_session_timeout`), so that none outlives a node that was killed. More than `ping_interval_s`."
            ),
        ),
    ] = 60
    prepared_statements: Annotated[
        int,
        Meta(
            ge=1,
            le=16_382,
            description=(
                "Prepared statements kept on each server connection; the least recently used is closed. A MySQL "
                "server's own limit is 16382 for all connections together."
            ),
        ),
    ] = 100

    # Clients.
    pool_mode: Annotated[
        PoolMode,
        Meta(
            description=(
                "PostgreSQL only. `transaction` lends a server connection for a transaction; `session` leaves it with "
                "its client from the first statement to the end."
            )
        ),
    ] = "transaction"
    reset: Annotated[
        Reset,
        Meta(
            description=(
                "PostgreSQL only. `always` runs DISCARD ALL after every lease, for functions that change session state "
                "silently and that nobody can list under `pin_functions`; `auto` where something was left behind."
            )
        ),
    ] = "auto"
    client_connection: Annotated[
        ClientConnection,
        Meta(
            description=(
                "`transaction` closes the client's connection after each transaction, for applications that want it so."
            )
        ),
    ] = "session"
    transaction_idle_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description=(
                "A client that is silent this long inside a transaction loses it: a frozen function looks just "
                "like that."
            ),
        ),
    ] = 10.0
    pin_idle_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description="A client that is silent this long while it pins a server connection is ended.",
        ),
    ] = 60.0
    client_write_timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description=(
                "A client that takes nothing of its reply for this long is ended, as it holds a server connection"
                " meanwhile."
            ),
        ),
    ] = 60.0
    evict_after_idle_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=86_400,
            description=(
                "TCP only. A connection without a byte for this long, the last one the server's, is taken for idle: "
                "the one idle longest is closed while others wait for a full budget, and any at its `max_age_s` or at "
                "a drain."
            ),
        ),
    ] = 5.0
    vanished_after_s: Annotated[
        int,
        Meta(
            ge=2,
            le=7200,
            description=(
                "TCP only. A client or server whose kernel does not answer for this long is gone (noticed up to 2 s "
                "later): both sides are closed. A frozen function does not answer either."
            ),
        ),
    ] = 3
    send_proxy_protocol: Annotated[
        bool,
        Meta(
            description=(
                "TCP only. Each connection to the server begins with a PROXY protocol v2 header that names the client."
            )
        ),
    ] = False
    pin_functions: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                "Stored functions that change session state silently; a client that calls one keeps its server "
                "connection to its end."
            ),
        ),
    ] = ()

    # TLS to the server.
    tls: Annotated[
        TlsMode,
        Meta(
            description=(
                "`verify-identity` checks certificate and name, `verify-ca` the certificate only, `required` "
                "nothing: it keeps listeners out, not impostors."
            )
        ),
    ] = "disabled"
    tls_ca: Annotated[
        str | None,
        Meta(description="File of the authorities (PEM) that `verify-*` trusts; by default the system's."),
    ] = None
    tls_cert: Annotated[
        str | None,
        Meta(description="File of the certificate (PEM) that Outlive shows the server."),
    ] = None
    tls_key: Annotated[
        str | None,
        Meta(description="File of its key (PEM)."),
    ] = None
    channel_binding: Annotated[
        ChannelBinding,
        Meta(
            description=(
                "PostgreSQL only. `require` refuses a server that does not prove with SCRAM-SHA-256-PLUS that nobody "
                "stands between."
            )
        ),
    ] = "prefer"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of one node. `databases` is by the name that clients ask for."""

    node: Annotated[
        int,
        Meta(
            ge=0,
            le=2047,
            description=(
                "This node's number; part of the connection ids that clients see, so that KILL finds its node. "
                "Different on each node."
            ),
        ),
    ] = 0
    log_level: Annotated[
        LogLevel,
        Meta(description="Least severity that is logged, on standard error."),
    ] = "info"
    listen: Listen = Listen()
    http: Http = Http()
    databases: dict[str, Database] = {}
    principals: dict[str, Principal] = {}
    statements: dict[str, str] = {}
    jwt: dict[str, Jwt] = {}
    locks: Locks = Locks()
    operations: dict[str, Operation] = {}

    max_clients: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description=(
                "Most client connections; at the limit the one idle longest without a lease is ended for the new one."
            ),
        ),
    ] = 10_000
    login_timeout_s: Annotated[
        float,
        Meta(ge=0.1, le=300, description="Longest login of a client, TLS included."),
    ] = 10.0
    login_buffer_bytes: Annotated[
        int,
        Meta(ge=1024, le=16_384, description="Most that is read of a client before its login is accepted."),
    ] = 16_384
    client_buffer_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            le=16_777_216,
            description="Most that is held for a client in each direction; then reading from the other side pauses.",
        ),
    ] = 65_536
    client_prepared_statements: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description=(
                "Most prepared statements of one client; the next one is refused (error 1461, PostgreSQL: 53400). "
                "MySQL servers' own limit is 16382 for all clients together."
            ),
        ),
    ] = 16_382
    client_prepared_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=1_073_741_824,
            description="Most text of one client's prepared statements, all together (error 1461, PostgreSQL: 53400).",
        ),
    ] = 4_194_304
    client_variables_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_048_576,
            description=(
                "Most names and values of user variables (PostgreSQL: settings) that are replayed for one client; one "
                "that sets more keeps its server connection (pinned: `user_variable`, `settings`)."
            ),
        ),
    ] = 65_536
    admin_users: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description=(
                "Users that may log in to the console (`psql outlive`). Without any: the users that Outlive itself "
                "logs in with, from this machine. It is on PostgreSQL's listener, which a node has that serves a "
                "PostgreSQL database, and shows and controls MySQL's clients and servers too."
            ),
        ),
    ] = ()
    client_keepalive_s: Annotated[
        int,
        Meta(
            ge=10,
            le=7200,
            description=(
                "TCP keepalive of idle clients. Below the 350 s after which cloud load balancers forget a connection."
            ),
        ),
    ] = 300
    drain_delay_s: Annotated[
        float,
        Meta(
            ge=0,
            le=300,
            description=(
                "After SIGTERM clients are still accepted for this long, until load balancers have seen `/readyz`"
                " turn 503."
            ),
        ),
    ] = 2.0
    drain_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Then leases may finish for this long. Both together below the 30 s that orchestrators give.",
        ),
    ] = 20.0

    proxy_protocol: Annotated[
        ProxyProtocol,
        Meta(
            description=(
                "Whether clients' connections begin with a PROXY protocol v2 header: on no listener, on every one, or "
                "on that of one protocol alone. Never guessed: a MySQL server speaks first."
            )
        ),
    ] = "off"
    proxy_protocol_trusted: Annotated[
        tuple[str, ...],
        Meta(
            max_length=1000,
            description="Networks (`10.0.0.0/8`) of the load balancers that may send it; others are closed.",
        ),
    ] = ()

    tls_cert: Annotated[
        str | None,
        Meta(
            description=(
                "File of the certificate chain (PEM) shown to clients; with it clients may use TLS. Read again "
                "when it changes."
            )
        ),
    ] = None
    tls_key: Annotated[
        str | None,
        Meta(description="File of its key (PEM)."),
    ] = None
    tls_client_ca: Annotated[
        str | None,
        Meta(description="File of the authorities (PEM); with it clients must show a certificate of one of them."),
    ] = None
    tls_required: Annotated[
        bool,
        Meta(description="Refuses clients that log in without TLS."),
    ] = False

    origin: Origin | None = None
    """What it was loaded from, for `load.reload`; no option, and not compared when it was loaded again."""

    def databases_of(self, protocol: Protocol) -> dict[str, Database]:
        """The databases whose clients speak this protocol."""
        return {name: database for name, database in self.databases.items() if database.scheme == protocol}

    def servers(self, protocol: Protocol | None = None) -> dict[Address, Database]:
        """Each server and one of the databases on it, whose SERVER_OPTIONS hold for all of them (`rules.py`)."""
        found: dict[Address, Database] = {}
        for database in self.databases.values():
            if protocol is None or database.scheme == protocol:
                for address in (*database.hosts, *database.replicas):
                    found.setdefault(address, database)
        return found


SERVER_OPTIONS: Final = (
    "max_connections",
    "max_per_key",
    "max_per_user",
    "max_per_database",
    "max_waiters",
    "key_switch_after_ms",
    "shared_connections",
    "connect_timeout_s",
    "max_age_s",
    "idle_timeout_s",
    "check_after_idle_s",
    "ping_interval_s",
    "dead_man_s",
    "prepared_statements",
    "tls",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "channel_binding",
    "evict_after_idle_s",
    "vanished_after_s",
)
"""Options of a Database that belong to its servers: databases on the same server share them."""

REDIS_OPTIONS: Final = (
    "sentinel_master",
    "sentinels",
    "shared_connections",
    "allow_commands",
    "return_unclaimed",
    "client_output_buffer_bytes",
)
"""Options of a Database that only Redis has."""

POSTGRESQL_OPTIONS: Final = (
    "auth_query",
    "auth_database",
    "client_auth",
    "max_per_user",
    "max_per_database",
    "pool_mode",
    "reset",
    "channel_binding",
)
"""Options of a Database that only PostgreSQL has."""

TCP_OPTIONS: Final = ("listen", "evict_after_idle_s", "vanished_after_s", "send_proxy_protocol")
"""Options of a Database that only TCP has."""

SHARED_WITH_TCP: Final = (
    "scheme",
    "hosts",
    "max_connections",
    "max_waiters",
    "acquire_timeout_s",
    "connect_timeout_s",
    "max_age_s",
    "idle_timeout_s",
    "dead_man_s",
    "client_write_timeout_s",
)
"""Options of a Database that have a meaning without knowledge of its protocol, beside TCP_OPTIONS."""
