"""Signature Version 4 against its published vectors."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request

from outlive.config.http import Principal
from outlive.config.secrets import Secret
from outlive.gateway.failure import Failure
from outlive.gateway.rds.sigv4 import SigV4, canonical, parse, signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _request(method: str, target: str, headers: list[tuple[str, str]]) -> Request:
    path, _, query = target.partition("?")
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "server": ("example.com", 80),
            "scheme": "http",
        }
    )


HOST = ("Host", "example.amazonaws.com")
DATE = ("X-Amz-Date", "20150830T123600Z")
VECTORS = [
    ("GET", "/", [HOST, DATE], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", "/", [HOST, DATE], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        [HOST, DATE],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
]


@pytest.mark.parametrize(("method", "target", "headers", "expected"), VECTORS)
def test_vectors(method: str, target: str, headers: list[tuple[str, str]], expected: str) -> None:
    claimed = parse(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={expected}"
    )
    text = canonical(_request(method, target, headers), claimed.signed, EMPTY)
    assert signature(SECRET.encode(), claimed, DATE[1], text) == expected


def test_headers_are_trimmed_and_joined() -> None:
    request = _request("GET", "/", [("My-Header1", " a   b  c "), ("My-Header1", "d"), HOST])
    assert canonical(request, ("host", "my-header1"), EMPTY).split("\n")[3:5] == [
        "host:example.amazonaws.com",
        "my-header1:a b c,d",
    ]


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/rds-data/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/2015/r/rds-data/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/rds-data, SignedHeaders=host, Signature=" + "0" * 64,
    ],
)
def test_what_is_no_signature_is_refused(header: str) -> None:
    with pytest.raises(Failure) as raised:
        parse(header)
    assert raised.value.status == 403


def test_a_secret_is_read_at_each_request_and_shown_nowhere(tmp_path: Any) -> None:
    """Its file may be rotated; while it cannot be read, nobody is let in."""
    file = tmp_path / "secret"
    file.write_text(SECRET)

    class Known:
        principals = {"app": Principal(databases=("shop",), access_keys={"AKIA1": Secret("file", str(file))})}

    async def body(_: Request) -> bytes:
        return b""

    way = SigV4(body, lambda: datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    headers = [HOST, DATE]
    scope = "AKIA1/20150830/us-east-1/rds-data/aws4_request"

    def signed(secret: str) -> Request:
        blank = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
        text = canonical(_request("POST", "/Execute", headers), ("host", "x-amz-date"), EMPTY)
        made = signature(secret.encode(), parse(blank), DATE[1], text)
        return _request("POST", "/Execute", [*headers, ("Authorization", blank.replace("0" * 64, made))])

    config: Any = Known()
    found = asyncio.run(way(config, signed(SECRET)))
    assert found is not None
    assert found[0] == "app"
    file.write_text("rotated")
    with pytest.raises(Failure) as raised:
        asyncio.run(way(config, signed(SECRET)))
    assert raised.value.code == "invalid_signature"
    assert asyncio.run(way(config, signed("rotated"))) is not None
    file.unlink()
    with pytest.raises(Failure) as raised:
        asyncio.run(way(config, signed("rotated")))
    assert raised.value.status == 503
    assert "rotated" not in raised.value.message + repr(found)
