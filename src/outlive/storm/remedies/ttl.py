"""Each instance renews its connection every few minutes."""

from outlive.storm.remedies.remedy import Remedy


class Ttl(Remedy):
    """It looks when a request comes, as nothing runs in a frozen function. The last connection dangles all the same."""
