"""URLs of Redis as its users write them."""

import pytest

from outlive.config.addresses import Address
from outlive.config.errors import ConfigError
from outlive.config.load import load
from outlive.config.model import Database
from outlive.config.origin import Origin
from outlive.config.url import UrlError, parse_url


def loaded(url: str) -> Database:
    return next(iter(load(Origin(urls=(url,)), {}).databases.values()))


def test_what_goes_without_saying() -> None:
    found = loaded("redis://h")
    assert (found.hosts, found.database, found.user, found.tls) == ((Address("h", 6379),), "0", "default", "disabled")
    assert loaded("valkey://:x@h/3").database == "3"
    assert loaded("rediss://h").tls == loaded("valkeys://h").tls == "verify-identity"
    assert loaded("rediss://h?tls=required").tls == "required"


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one,two:5/mine/3",
        "redis-sentinel://one,two:5/3#mine",
        "redis+sentinel://one,two:5/3?sentinelMasterId=mine",
    ],
)
def test_sentinels(url: str) -> None:
    """One server with one budget, wherever it is."""
    found = loaded(url)
    assert found.sentinels == (Address("one", 26379), Address("two", 5))
    assert found.hosts == (Address("one", 26379),)
    assert (found.sentinel_master, found.database) == ("mine", "3")


def test_refused() -> None:
    for url in ("redis+sentinel://h", "redis+sentinel://h/0"):
        with pytest.raises(UrlError, match="which primary"):
            parse_url(url)
    with pytest.raises(UrlError, match="not known"):
        parse_url("mysql+sentinel://h/a/b")
    for url in ("redis://h/a", "redis://h?allow_commands=get", "redis://h?max_connections=1"):
        with pytest.raises(ConfigError):
            loaded(url)
