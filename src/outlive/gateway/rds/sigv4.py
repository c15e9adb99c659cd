"""Signature Version 4, verified: the form with headers, for the service rds-data.

Source: "Create a signed AWS API request" of the IAM user guide.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

from starlette.requests import Request

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.config.secrets import Secret, SecretError
from outlive.gateway.failure import Failure
from outlive.observe.log import fields

log = logging.getLogger("outlive.gateway")

SERVICE: Final = "rds-data"
SKEW_S: Final = 300.0
"""How far the caller's clock may be off, either way; AWS allows as much."""
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(
    rf"{_ALGORITHM} +Credential=(?P<key>[^/,\s]{{1,128}})/(?P<day>\d{{8}})/(?P<region>[\w-]{{1,64}})"
    r"/(?P<service>[\w-]+)/aws4_request"
    r" *, *SignedHeaders=(?P<signed>[^\s,=]{1,4096}) *, *Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_KEYS: Final = 256
"""How many derived keys are kept: there is one a day for each access key and region."""
_UNKNOWN: Final = Secret("literal", secrets.token_hex(20))
"""Of access keys that nobody has: their signatures take as long to refuse as others."""


class Signature(NamedTuple):
    """What the Authorization header says."""

    key: str
    day: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str


class SigV4:
    """A way to be known (see `principals.py`). `body` reads a request's; `now` is the time of day."""

    def __init__(
        self, body: Callable[[Request], Awaitable[bytes]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._body = body
        self._now = now

    async def __call__(self, config: Config, request: Request) -> tuple[str, Principal] | None:
        """Name and rights of the one who signed it; None where it bears no such signature. Raises Failure."""
        authorization = request.headers.get("authorization", "")
        if not authorization.startswith(_ALGORITHM):
            return None
        claimed = parse(authorization)
        at = self._time(request.headers.get("x-amz-date", ""), claimed)
        self._check_headers(request, claimed)
        found = _owner(config, claimed.key)
        secret = _UNKNOWN if found is None else found[1].access_keys[claimed.key]
        body = await self._body(request)
        digest = hashlib.sha256(body).hexdigest()
        if request.headers.get("x-amz-content-sha256", digest) != digest:
            raise _refused("The body is not the one whose SHA-256 stands in x-amz-content-sha256.")
        text = canonical(request, claimed.signed, digest)
        expected = signature(await _read(secret, claimed.key), claimed, at, text)
        same = hmac.compare_digest(expected, claimed.signature)
        if found is None or not same:
            raise _refused("The signature does not match: check access key, secret, the clock, and that nothing on the"
                           " way changes the Host header.")  # fmt: skip
        return found

    def _time(self, text: str, claimed: Signature) -> str:
        try:
            at = datetime.fromisoformat(text if _TIME.fullmatch(text) else "")
        except ValueError:
            raise _refused("The header x-amz-date is missing, or no time in the form 20240229T123456Z.") from None
        if claimed.day != text[:8]:
            raise _refused("The day of the credential is not that of x-amz-date.")
        if abs((self._now() - at).total_seconds()) > SKEW_S:
            raise _refused(f"Signature expired: x-amz-date is more than {SKEW_S:g} s off this node's clock.")
        return text

    @staticmethod
    def _check_headers(request: Request, claimed: Signature) -> None:
        if claimed.service != SERVICE:
            raise _refused(f"The credential's service must be {SERVICE}.")
        due = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
        if not due <= set(claimed.signed):
            raise _refused("host and all headers that begin with x-amz- must be signed.")
        if list(claimed.signed) != sorted(set(claimed.signed)):
            raise _refused("SignedHeaders must be in their order, each once.")


def parse(authorization: str) -> Signature:
    """The Authorization header. Raises Failure."""
    found = _HEADER.fullmatch(authorization.strip())
    if found is None:
        raise _refused("The Authorization header is no Signature Version 4 with Credential, SignedHeaders, Signature.")
    return Signature(
        found["key"], found["day"], found["region"], found["service"], tuple(found["signed"].split(";")),
        found["signature"],
    )  # fmt: skip


def canonical(request: Request, signed: Iterable[str], digest: str) -> str:
    """The canonical request; `digest` is of its body."""
    path = quote(request.scope["path"], safe="/-_.~")
    query = _canonical_query(request) if request.scope["query_string"] else ""
    headers = [(name, ",".join(" ".join(v.split()) for v in request.headers.getlist(name))) for name in signed]
    lines = [f"{name}:{value}\n" for name, value in headers]
    return "\n".join((request.method, path, query, "".join(lines), ";".join(signed), digest))


def _canonical_query(request: Request) -> str:
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in request.query_params.multi_items()
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def signature(secret: bytes, claimed: Signature, at: str, text: str) -> str:
    """What the signature of the canonical request `text` must be, in hexadecimal."""
    scope = f"{claimed.day}/{claimed.region}/{claimed.service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, at, scope, hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()))
    key = _key(secret, claimed.day, claimed.region, claimed.service)
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=_KEYS)
def _key(secret: bytes, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _owner(config: Config, key: str) -> tuple[str, Principal] | None:
    for name, principal in config.principals.items():
        if key in principal.access_keys:
            return name, principal
    return None


async def _read(secret: Secret, key: str) -> bytes:
    try:
        return await asyncio.to_thread(secret.read) if secret.blocks else secret.read()
    except SecretError as error:
        log.error("secret of an access key not readable", extra=fields(key=key, reason=str(error)))
        raise Failure(503, "secret_unavailable", "The secret of this access key cannot be read on this node.") from None


def _refused(message: str) -> Failure:
    return Failure(403, "invalid_signature", message)
