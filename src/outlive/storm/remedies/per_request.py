"""Each request opens a connection and closes it."""

from outlive.storm.remedies.remedy import Remedy


class PerRequest(Remedy):
    """Nothing dangles but what dies within a request. Every request pays the handshake, and so does the database."""
