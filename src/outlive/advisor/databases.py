"""What databases allow by default, and what it takes to connect to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

KEEPALIVE_S: Final = 7200 + 9 * 75
"""When a Linux kernel with its defaults ends a connection whose other end is silent: tcp_keepalive_time of 7200 s, then
tcp_keepalive_probes (9) every tcp_keepalive_intvl (75 s). Linux manual, tcp(7).
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A database that counts connections. Round trips are until a first statement can be sent."""

    name: str
    title: str
    max_connections: int
    reserved: int
    """Of these, only for superusers."""
    dangling_timeout_s: float
    """After which it ends an idle connection whose other end vanished without a FIN, by its defaults."""
    logins_per_s: int
    """New connections a second that it is taken to bear beside its work: assumed, and a question may say otherwise."""
    round_trips: tuple[tuple[str, int], ...]
    tls_round_trips: tuple[tuple[str, int], ...]
    sources: tuple[str, ...]

    def handshake(self, *, tls: bool) -> tuple[tuple[str, int], ...]:
        """The steps of a new connection, each with its round trips."""
        return self.round_trips + (self.tls_round_trips if tls else ())

    def handshake_round_trips(self, *, tls: bool) -> int:
        """How many round trips they are."""
        return sum(trips for _, trips in self.handshake(tls=tls))


_MYSQL_TRIPS: Final = (("TCP", 1), ("the server's greeting", 1), ("login", 1))
_MYSQL_TLS: Final = (("TLS 1.3, sent with the SSLRequest", 1),)
_MYSQL_SOURCES: Final = (
    "MySQL Reference Manual, 5.1.8 Server System Variables (max_connections, wait_timeout)",
    "MySQL internals, Connection Phase",
    "TCP keepalive with the kernel's times, as seen on the sockets of MySQL 9.7 and MariaDB 10.11 (ss -o)",
)

SERVERS: Final[Mapping[str, Server]] = MappingProxyType(
    {
        server.name: server
        for server in (
            Server(
                "postgresql",
                "PostgreSQL",
                100,
                3,
                KEEPALIVE_S,
                200,  # each is a process of its own
                (("TCP", 1), ("first message, SCRAM's offer", 1), ("SCRAM, first half", 1), ("SCRAM, second half", 1)),
                (("SSLRequest", 1), ("TLS 1.3", 1)),
                (
                    "PostgreSQL manual, 20.3 Connections and Authentication (max_connections, "
                    "superuser_reserved_connections, tcp_keepalives_idle)",
                    "PostgreSQL manual, 54.2 Message Flow and 54.3 SASL Authentication",
                ),
            ),
            Server("mysql", "MySQL", 151, 0, min(28_800.0, KEEPALIVE_S), 500, _MYSQL_TRIPS, _MYSQL_TLS, _MYSQL_SOURCES),
            Server(
                "mariadb",
                "MariaDB",
                151,
                0,
                min(28_800.0, KEEPALIVE_S),
                500,
                _MYSQL_TRIPS,
                _MYSQL_TLS,
                ("MariaDB documentation, Server System Variables (max_connections, wait_timeout)", *_MYSQL_SOURCES[1:]),
            ),
            Server(
                "redis",
                "Redis or Valkey",
                10_000,
                0,
                # Its own keepalive: first probe after 300 s, then three at a third of it.
                600.0,
                5000,
                (("TCP", 1), ("HELLO with AUTH", 1)),
                (("TLS 1.3", 1),),
                ("Redis configuration file (maxclients 10000, timeout 0, tcp-keepalive 300)",),
            ),
            Server(
                "sqlserver",
                "SQL Server",
                32_767,
                0,
                30.0 + 10 * 1.0,
                500,
                (("TCP", 1), ("PRELOGIN", 1), ("LOGIN7", 1)),
                (("TLS 1.2 inside PRELOGIN", 2),),
                (
                    "SQL Server manual, Server configuration: user connections",
                    "Tabular Data Stream Protocol (MS-TDS), 3.2 Client Details",
                ),
            ),
        )
    }
)
"""By name."""
