"""What keeps the embedded database from running."""


class EmbeddedError(Exception):
    """The embedded database cannot run. The message says why and what to do; it holds no secret."""
