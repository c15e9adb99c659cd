"""The remedies: what is between functions and a database, or beside them, so that the dead do no harm."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from outlive.storm.remedies.container import Container
from outlive.storm.remedies.haproxy import HAProxy
from outlive.storm.remedies.http import Http
from outlive.storm.remedies.per_request import PerRequest
from outlive.storm.remedies.persistent import Persistent
from outlive.storm.remedies.pgbouncer import PgBouncer
from outlive.storm.remedies.proxy import Proxy
from outlive.storm.remedies.reaper import Reaper
from outlive.storm.remedies.remedy import Remedy
from outlive.storm.remedies.ttl import Ttl

REMEDIES: Final[Mapping[str, type[Remedy]]] = MappingProxyType(
    {
        "persistent": Persistent,
        "per-request": PerRequest,
        "ttl": Ttl,
        "container": Container,
        "reaper": Reaper,
        "proxy": Proxy,
        "http": Http,
        "pgbouncer": PgBouncer,
        "haproxy": HAProxy,
    }
)
"""By the name of their policy."""

__all__ = ["REMEDIES", "Remedy"]
