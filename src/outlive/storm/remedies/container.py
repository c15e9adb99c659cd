"""No functions but containers: long-lived processes, each with a pool, that are told before they end."""

from outlive.storm.remedies.remedy import Remedy


class Container(Remedy):
    """The same requests go to a few processes, which close their connections on SIGTERM."""
