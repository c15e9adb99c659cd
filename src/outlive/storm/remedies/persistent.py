"""Nothing is done: each instance opens a connection with its first request and keeps it."""

from outlive.storm.remedies.remedy import Remedy


class Persistent(Remedy):
    """What most functions do: the connection is a global of the module, and the next request finds it."""
