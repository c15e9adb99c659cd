"""Signature Version 4: what is not signed by an access key of the configuration is refused before anything runs."""

import datetime
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from tests.gateway.rds.clients import Place


class RawBody:
    """Of an answer that nobody gave."""

    def stream(self) -> Iterator[bytes]:
        yield b"{}"


class Sent:
    """A request as boto3 signed it; not sent where that is left to the test."""

    def __init__(self, place: Place, sql: str, *, send: bool = True, **more: Any) -> None:
        self.body = b""
        self.headers: dict[str, str] = {}
        self.url = place.url

        def keep(request: Any, **_: Any) -> AWSResponse | None:
            self.body = request.body
            self.headers = {n: v.decode() if isinstance(v, bytes) else v for n, v in request.headers.items()}
            return None if send else AWSResponse(request.url, 200, {}, RawBody())

        client = Place(place.node, place.database)
        client.client.meta.events.register("before-send.rds-data", keep)
        client.execute(sql, **more)

    def again(self, body: bytes | None = None, path: str = "/Execute", **headers: str) -> tuple[int, str | None]:
        """Status and type of the error."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in changed}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        connection.request("POST", path, self.body if body is None else body, {**kept, **changed})
        response = connection.getresponse()
        assert response.read()
        connection.close()
        return response.status, response.headers["x-amzn-ErrorType"]


REFUSED = (403, "InvalidSignatureException")


def test_what_is_changed_on_the_way_is_refused(place: Place) -> None:
    sent = Sent(place, "SELECT 1 AS one")
    authorization, date = sent.headers["Authorization"], sent.headers["X-Amz-Date"]
    assert sent.again(amz_sdk_invocation_id=place.database)[0] == 200
    assert sent.again(sent.body.replace(b"SELECT 1", b"SELECT 2")) == REFUSED
    assert sent.again(path="/BatchExecute") == REFUSED
    assert sent.again(authorization=authorization[:-1] + ("1" if authorization[-1] == "0" else "0")) == REFUSED
    assert sent.again(authorization=authorization.replace("AKIA", "AKIB")) == REFUSED
    assert sent.again(authorization=authorization.replace("/rds-data/", "/s3/")) == REFUSED
    assert sent.again(authorization=authorization.replace("host;", "")) == REFUSED
    assert sent.again(authorization="AWS4-HMAC-SHA256 nonsense") == REFUSED
    assert sent.again(x_amz_date=date[:9] + "000000Z") == REFUSED
    assert sent.again(x_amz_date="yesterday") == REFUSED
    assert sent.again(x_amz_more="not signed") == REFUSED
    assert sent.again(x_amz_content_sha256="UNSIGNED-PAYLOAD") == REFUSED
    assert sent.again(authorization="Bearer nobody") == (403, "AccessDeniedException")
    assert sent.again(host="elsewhere.example.com") == REFUSED


@pytest.mark.parametrize(("off_s", "accepted"), [(-290, True), (290, True), (-310, False), (310, False)])
def test_a_stale_date_is_refused(pg: Place, monkeypatch: pytest.MonkeyPatch, off_s: int, accepted: bool) -> None:
    def now(remove_tzinfo: bool = True) -> datetime.datetime:
        found = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=off_s)
        return found.replace(tzinfo=None) if remove_tzinfo else found

    monkeypatch.setattr(botocore.auth, "get_current_datetime", now)
    if accepted:
        assert pg.value("SELECT 1") == ("longValue", 1)
    else:
        with pytest.raises(ClientError, match="Signature expired"):
            pg.execute("SELECT 1")


def test_access_keys_that_are_not_of_the_configuration(pg: Place) -> None:
    for credentials in ({"secret": "another"}, {"key": "AKIAUNKNOWN000000000"}):
        with pytest.raises(ClientError, match="The signature does not match") as raised:
            Place(pg.node, "pg", **credentials).execute("SELECT 1")
        assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"
    stranger = Place(pg.node, "pg")
    stranger.arns["resourceArn"] += "-of-others"
    with pytest.raises(ClientError, match="AccessDeniedException"):
        stranger.execute("SELECT 1")
