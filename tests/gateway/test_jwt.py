"""JSON Web Tokens: whom they mean, what is refused, and where the keys come from."""

import asyncio
import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.requests import Request

from outlive.config.http import Principal
from outlive.config.jwt import Jwt
from outlive.config.model import Config
from outlive.gateway.failure import Failure
from outlive.gateway.jwt import Tokens
from outlive.gateway.key_sets import BYTES_MAX, KeySet
from tests.gateway.caller import Caller, configuration
from tests.servers import OutliveProcess, Postgres15

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str, **more: object) -> dict[str, object]:
    kinds: dict[type, Any] = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    algorithm = next(found for kind, found in kinds.items() if isinstance(key, kind))
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, **more}


SHARED = {"kty": "oct", "k": "c2VjcmV0", "kid": "o", "alg": "HS256"}
KEYS = {"keys": [jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "d"), SHARED]}


def claims(**more: object) -> dict[str, object]:
    now = int(time.time())
    return {"iss": "https://auth.example.com", "aud": "shop", "sub": "checkout", "iat": now, "exp": now + 60, **more}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r", **more: object) -> str:
    said = {name: value for name, value in claims(**more).items() if value is not None}
    return jwt.encode(said, key, algorithm, {"kid": kid} if kid else None)


def request(text: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {text}".encode())]})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(KEYS))
    issuer = Jwt(issuer="https://auth.example.com", audience=("shop",), jwks_file=str(file), leeway_s=5)
    roles = Jwt(issuer="https://roles.example.com", audience=("shop",), jwks_file=str(file), claim="roles")
    principals = {
        "app": Principal(databases=("pg",), jwt=("auth/checkout", "roles/buyer")),
        "admin": Principal(databases=("pg",), jwt=("roles/admin",)),
    }
    return Config(jwt={"auth": issuer, "roles": roles}, principals=principals)


def who(config: Config, *texts: str) -> list[str]:
    """Name, or the message of the refusal, of each."""

    async def ask() -> list[str]:
        tokens = Tokens()
        found = []
        for text in texts:
            try:
                answer = await tokens.way(config, request(text))
                found.append("" if answer is None else answer[0])
            except Failure as failure:
                found.append(f"{failure.status} {failure.message}")
        return found

    return asyncio.run(ask())


def test_whom_a_token_means(config: Config) -> None:
    roles = {"iss": "https://roles.example.com", "sub": None}
    assert who(
        config,
        token(),
        token(EC, "ES256", "e"),
        token(ED, "EdDSA", "d"),
        token(kid=None),
        token(aud=["other", "shop"]),
        token(**roles, roles=["reader", "buyer"]),
        token(**roles, roles="admin"),
        token(exp=int(time.time()) - 2),
        "no-token",
    ) == ["app", "app", "app", "app", "app", "app", "admin", "app", ""]


def test_what_is_refused(config: Config) -> None:
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = token().split(".")
    forged = _encoded({**claims(), "sub": "admin"})
    wrong = {
        "none": jwt.encode(claims(), None, "none"),  # type: ignore[arg-type]
        "None": f"{_encoded({'alg': 'None', 'kid': 'r'})}.{body}.",
        "HS256 with the public key": _hs256(public, "r"),
        "HS256 with the shared key of the set": _hs256(b"secret", "o"),
        "another key": token(OTHER),
        "another key's kid": token(kid="e"),
        "an unknown kid": token(kid="x"),
        "an algorithm that is not allowed": token(algorithm="PS256"),
        "a key in the head": jwt.encode(claims(), OTHER, "RS256", {"kid": "r", "jwk": jwk(OTHER, "r")}),
        "another body": f"{head}.{forged}.{signature}",
        "expired": token(exp=int(time.time()) - 10),
        "no end": token(exp=None),
        "not yet": token(nbf=int(time.time()) + 60),
        "another audience": token(aud="other"),
        "no audience": token(aud=None),
        "another issuer": token(iss="https://evil.example.com"),
        "nobody's": token(sub="stranger"),
        "no claim": token(sub=None),
        "two principals": token(iss="https://roles.example.com", roles=["buyer", "admin"]),
        "a claim of another issuer": token(sub="admin"),
        "long": token(more="x" * 17_000),
        "broken": "a.b.c",
    }
    for why, message in zip(wrong, who(config, *wrong.values()), strict=True):
        assert message.startswith("401 The token is refused."), (why, message)


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _hs256(secret: bytes, kid: str) -> str:
    text = f"{_encoded({'alg': 'HS256', 'kid': kid})}.{_encoded(claims())}"
    digest = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


class Issuer(http.server.BaseHTTPRequestHandler):
    status = 200
    document = b""
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Issuer.status, Issuer.document, Issuer.asked = 200, json.dumps(KEYS).encode(), 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_of_a_url(url: str) -> None:
    """Read once, anew in the background; a failed reading keeps the last keys; unknown keys do not make a flood."""

    async def run() -> None:
        now = [100.0]
        keys = KeySet(Jwt(issuer="i", audience=("a",), jwks_url=url, refresh_s=60), lambda: now[0])
        found = await asyncio.gather(*[keys.key("r", "RS256") for _ in range(20)])
        assert all(found)
        assert Issuer.asked == 1
        for _ in range(20):
            assert await keys.key("x", "RS256") is None
        assert Issuer.asked == 1
        now[0] += 11
        Issuer.document = json.dumps({"keys": [jwk(OTHER, "x")]}).encode()
        assert await keys.key("x", "RS256")  # a rotation is noticed by its token
        assert Issuer.asked == 2
        failing = [(500, b""), (302, b""), (200, b"no"), (200, b'{"keys":[]}'), (200, b" " * BYTES_MAX * 2)]
        for status, document in failing:
            Issuer.status, Issuer.document = status, document
            now[0] += 61
            assert await keys.key("x", "RS256")
            assert keys._reading is not None
            await keys._reading
            assert await keys.key("x", "RS256")
        assert Issuer.asked == 7

    asyncio.run(run())


def test_no_keys_at_all() -> None:
    async def run() -> None:
        keys = KeySet(Jwt(issuer="i", audience=("a",), jwks_url="http://127.0.0.1:1/"), time.monotonic)
        with pytest.raises(Failure) as raised:
            await keys.key("r", "RS256")
        assert (raised.value.status, raised.value.outcome) == (503, "not_run")

    asyncio.run(run())


def test_over_http(postgres: Postgres15, tmp_path: Path, url: str) -> None:
    """An unmodified caller with a token; its principal's rights count; several requests read the keys once."""
    issuer = f'[jwt.auth]\nissuer = "https://auth.example.com"\naudience = ["shop"]\njwks_url = "{url}"\n'
    principal = '[principals.app]\njwt = ["auth/checkout"]\ndatabases = ["pg"]\nrate = 0.001\nburst = 4\n'
    with OutliveProcess(configuration({"pg": postgres.url(max_connections=2)}, issuer + principal)) as node:
        caller = Caller(node, "pg", token())
        assert [caller.query("SELECT 1").rows for _ in range(3)] == [[[1]]] * 3
        assert Issuer.asked == 1
        answer = Caller(node, "pg", token(sub="stranger")).query("SELECT 1")
        assert (answer.status, answer.error["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert Caller(node, "my", token()).query("SELECT 1").status == 403  # it took the fourth of the burst
        answer = caller.query("SELECT 1")
        assert (answer.status, answer.error["code"], answer.error["outcome"]) == (429, "too_many_requests", "not_run")
        assert int(answer.headers["Retry-After"]) >= 1
        assert Caller(node, "pg").query("SELECT 1").status == 200  # another principal's requests are its own
