"""Real servers for tests and benchmarks: plain classes that start, stop and clean up after themselves.

Everything listens on free loopback ports and keeps its data in a folder of its own, which is removed at exit. What
takes long to make (installed data folders, unpacked packages) is made once a machine in `cache_folder()`.
"""

from .certificates import Certificates
from .database import Account, DatabaseServer
from .haproxy import HAProxy
from .mariadb import MariaDB
from .mysql import MySQL97
from .namespaces import Namespace, Network
from .outlive import OutliveProcess
from .pgbouncer import PgBouncer118, PgBouncer126
from .postgres import Postgres15, Postgres18, PostgresServer
from .processes import Process, ServerError, cache_folder, free_port
from .small import Beanstalkd, Memcached, SmallServer

__all__ = [
    "Account",
    "Beanstalkd",
    "Certificates",
    "DatabaseServer",
    "HAProxy",
    "MariaDB",
    "Memcached",
    "MySQL97",
    "Namespace",
    "Network",
    "OutliveProcess",
    "PgBouncer118",
    "PgBouncer126",
    "Postgres15",
    "Postgres18",
    "PostgresServer",
    "Process",
    "ServerError",
    "SmallServer",
    "cache_folder",
    "free_port",
]
