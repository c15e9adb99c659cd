"""The public keys of an issuer, from a file or an https address: kept, and read anew in the background.

A failed reading keeps the last keys. Nothing that a caller sends decides where keys come from.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import ssl
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from outlive.config.jwt import Jwt
from outlive.gateway.failure import Failure
from outlive.observe.log import fields

log = logging.getLogger("outlive.gateway")

BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
READ_S: Final = 5.0
AGAIN_S: Final = 10.0
"""Between two readings, however many tokens with unknown keys come."""


class KeySet:
    """Of one issuer."""

    def __init__(self, issuer: Jwt, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: object, algorithm: str) -> jwt.PyJWK | None:
        """The one that a token's head names. Raises Failure (503) where no keys could be read so far."""
        age_s = self._clock() - self._read_at
        if self._keys is None:
            await self._refresh()
        elif age_s >= self._issuer.refresh_s:
            self._begin()
        found = self._find(kid, algorithm)
        if found is None and self._keys is not None and self._clock() - self._read_at >= AGAIN_S:
            await self._refresh()
            found = self._find(kid, algorithm)
        if self._keys is None:
            raise Failure(503, "keys_unavailable", "The keys of the token's issuer cannot be read now.")
        return found

    def _find(self, kid: object, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys or () if key.algorithm_name == algorithm]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == kid), None)

    async def _refresh(self) -> None:
        if self._reading is None and self._clock() - self._read_at < (AGAIN_S if self._keys else 1.0):
            return
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            document = await asyncio.to_thread(_document, self._issuer)
            self._keys = public_keys(document, self._issuer)
        except (OSError, ValueError, http.client.HTTPException, jwt.PyJWTError) as error:
            log.warning("keys not read", extra=fields(issuer=self._issuer.issuer, kind=type(error).__name__))
        finally:
            self._read_at = self._clock()
            self._reading = None


def public_keys(document: bytes, issuer: Jwt) -> list[jwt.PyJWK]:
    """Those of a key set that can verify; shared secrets and keys for encryption are none. Raises ValueError."""
    loaded = json.loads(document)
    entries = loaded.get("keys") if isinstance(loaded, dict) else None
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise ValueError("no key set")
    found: list[jwt.PyJWK] = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        found += _of_entry(entry, issuer)
    if not found:
        raise ValueError("no key that can verify")
    return found


def _of_entry(entry: dict[str, Any], issuer: Jwt) -> list[jwt.PyJWK]:
    """One for each algorithm it may be used with: what it says, else all of the configuration that fit."""
    found: list[jwt.PyJWK] = []
    for algorithm in issuer.algorithms:
        if entry.get("alg", algorithm) == algorithm and _fits(entry, algorithm):
            try:
                found.append(jwt.PyJWK(entry, algorithm=algorithm))
            except (jwt.PyJWTError, ValueError, TypeError, KeyError):
                continue  # another key may do
    return found


_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _fits(entry: dict[str, Any], algorithm: str) -> bool:
    kind = entry.get("kty")
    if algorithm in _CURVES:
        return kind == "EC" and entry.get("crv") == _CURVES[algorithm]
    return kind == ("OKP" if algorithm == "EdDSA" else "RSA")


def _document(issuer: Jwt) -> bytes:
    """In a thread. Raises OSError, ValueError, HTTPException."""
    if issuer.jwks_file:
        with open(issuer.jwks_file, "rb") as file:
            document = file.read(BYTES_MAX + 1)
    else:
        document = _fetched(issuer.jwks_url)
    if len(document) > BYTES_MAX:
        raise ValueError("too long")
    return document


def _fetched(url: str) -> bytes:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=READ_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=READ_S)
    end = time.monotonic() + READ_S
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:  # a redirect too
            raise ValueError("not found")
        document = bytearray()
        while len(document) <= BYTES_MAX and (chunk := response.read1(65_536)):
            document += chunk
            if time.monotonic() > end:
                raise TimeoutError
        return bytes(document)
    finally:
        connection.close()
