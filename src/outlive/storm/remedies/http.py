"""Through Outlive's HTTP port, without a driver of the database's."""

import hashlib
import json
import os
import secrets
from dataclasses import replace
from typing import Final

from outlive.storm.hosts import LOOPBACK
from outlive.storm.http import DATABASE
from outlive.storm.node import Node
from outlive.storm.plan import Target
from outlive.storm.policy import Policy
from outlive.storm.remedies.proxy import OPTIONS, Proxy
from outlive.storm.stage import Stage, free_port, in_memory

_FEWEST_CLIENTS: Final = 4000  # the HTTP port's default
_CONFIGURATION: Final = """\
[http]
max_connections = {clients}
transaction_idle_timeout_s = {idle_s}
[databases.{database}]
url = {url}
[principals.functions]
api_key_sha256 = ["{digest}"]
databases = ["{database}"]
max_concurrency = {clients}
"""


class Http(Proxy):
    """A transaction is one HTTP request. The configuration is in memory only, and the API key is of this run."""

    def __init__(self, policy: Policy, stage: Stage) -> None:
        super().__init__(policy, stage)
        self._key = secrets.token_hex(32)

    def start(self) -> None:
        configuration = in_memory("outlive", self.configuration())
        try:
            self._node = Node(
                ["--config", f"/proc/self/fd/{configuration}"],
                OPTIONS[self._stage.observed.scheme],
                LOOPBACK,
                free_port(),
                free_port(),
                secrets=self._stage.secrets,
                keep=[configuration],
            )
        finally:
            os.close(configuration)

    def configuration(self) -> str:
        """For `outlive serve --config`. It holds neither the password nor the key."""
        options = {"max_connections": self.policy.budget, "acquire_timeout_s": self.policy.queue_timeout_s}
        return _CONFIGURATION.format(
            database=DATABASE,
            # A URL has no character that JSON and TOML would write in different ways.
            url=json.dumps(self._stage.url(options)),
            digest=hashlib.sha256(self._key.encode()).hexdigest(),
            # Some of its functions' connections may still be there when they have come anew.
            clients=max(_FEWEST_CLIENTS, 2 * self._stage.load.functions),
            # Its functions live for seconds where others live for minutes.
            idle_s=self.policy.transaction_idle_s,
        )

    @property
    def driver(self) -> str:
        return "http"

    @property
    def target(self) -> Target:
        assert self._node is not None
        # Its scheme stays: it says which SQL the database understands.
        target = replace(super().target, port=self._node.http_port, password=self._key)
        return replace(target, tls_ca=None, tls_cert=None, tls_key=None)
