"""Through Outlive's HTTP port, without a driver."""

import importlib.util

from outlive.storm.remedies.remedy import Remedy


class Http(Remedy):
    """A request is one HTTP request."""

    def obstacle(self) -> str:
        if importlib.util.find_spec("outlive.gateway.api") is None:
            return "this version of Outlive has no HTTP port for queries yet"
        return "the storm has no functions that speak Outlive's HTTP yet"
