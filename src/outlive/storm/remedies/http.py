"""Through Outlive's HTTP port, without a driver."""

from outlive.storm.remedies.remedy import Remedy


class Http(Remedy):
    """A request is one HTTP request."""

    def obstacle(self) -> str:
        return "the storm has no functions yet that speak to Outlive's HTTP port"
