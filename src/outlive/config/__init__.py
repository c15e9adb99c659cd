"""One frozen model of the configuration, loaded from TOML, URLs and the environment."""

from outlive.config.addresses import Address
from outlive.config.errors import ConfigError, Problem
from outlive.config.load import load, reload
from outlive.config.model import ANY_DATABASE, Config, Database, Listen
from outlive.config.origin import Origin
from outlive.config.secrets import Secret, SecretError

__all__ = [
    "ANY_DATABASE",
    "Address",
    "Config",
    "ConfigError",
    "Database",
    "Listen",
    "Origin",
    "Problem",
    "Secret",
    "SecretError",
    "load",
    "reload",
]
