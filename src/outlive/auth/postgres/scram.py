"""SCRAM-SHA-256 (RFC 5802, RFC 7677): keys, secrets as PostgreSQL stores them, proofs and signatures."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from typing import Final

from outlive.auth.postgres.saslprep import saslprep

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
"""What PostgreSQL makes; what others make may be of any length."""

DEFAULT_ITERATIONS: Final = 4096
"""PostgreSQL's default, and the least that RFC 7677 allows."""
MOST_ITERATIONS: Final = 1_000_000
"""Deriving keys keeps the processor: a million iterations take some 0.2 s. The most that anybody advises is 600,000
(OWASP, for PBKDF2 with SHA-256); a server that asks for more wants our time."""

_NONCE_BYTES: Final = 18  # as PostgreSQL; 24 characters in base 64, and none of them a comma

_SECRET: Final = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,8}):([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)", re.ASCII
)


class ScramKeys:
    """The keys of a password under one salt and number of iterations. They log in as the password does: secret.

    Neither shows in its repr.
    """

    __slots__ = ("client_key", "iterations", "salt", "server_key")

    def __init__(self, iterations: int, salt: bytes, client_key: bytes, server_key: bytes) -> None:
        self.iterations = iterations
        self.salt = salt
        self.client_key = client_key
        self.server_key = server_key

    def __repr__(self) -> str:
        return "ScramKeys(...)"

    def secret(self) -> "ScramSecret":
        """What a server stores of them."""
        return ScramSecret(self.iterations, self.salt, sha256(self.client_key), self.server_key)


class ScramSecret:
    """What a server stores of a password (pg_authid.rolpassword). It does not show in its repr."""

    __slots__ = ("iterations", "salt", "server_key", "stored_key")

    def __init__(self, iterations: int, salt: bytes, stored_key: bytes, server_key: bytes) -> None:
        self.iterations = iterations
        self.salt = salt
        self.stored_key = stored_key
        self.server_key = server_key

    @classmethod
    def parse(cls, text: str) -> "ScramSecret":
        """From `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.

        Raises ValueError, without the text, if it is none or has more than MOST_ITERATIONS.
        """
        match = _SECRET.fullmatch(text)
        if match is None:
            raise ValueError("this is no SCRAM-SHA-256 secret")
        iterations = int(match[1])
        if iterations > MOST_ITERATIONS:
            raise ValueError(
                f"a SCRAM secret has {iterations} iterations; the most that are computed is {MOST_ITERATIONS}"
            )
        try:
            salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
        except binascii.Error:
            raise ValueError("this is no SCRAM-SHA-256 secret") from None
        return cls(iterations, salt, stored_key, server_key)

    def __repr__(self) -> str:
        return "ScramSecret(...)"

    def __str__(self) -> str:
        return "ScramSecret(...)"

    def encode(self) -> str:
        """The text that `parse` reads."""
        salt, stored, server = (_base64(part) for part in (self.salt, self.stored_key, self.server_key))
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


def derive(password: bytes, salt: bytes, iterations: int) -> ScramKeys:
    """The keys of a password; takes about 0.2 microseconds an iteration, so keep them."""
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password), salt, iterations)
    return ScramKeys(iterations, salt, hmac_sha256(salted, b"Client Key"), hmac_sha256(salted, b"Server Key"))


def client_proof(client_key: bytes, auth_message: bytes) -> bytes:
    """ClientKey XOR HMAC(H(ClientKey), AuthMessage)."""
    return xor(client_key, hmac_sha256(sha256(client_key), auth_message))


def proven_client_key(proof: bytes, stored_key: bytes, auth_message: bytes) -> bytes:
    """The ClientKey of a proof; the proof is right if the key's hash is StoredKey. Takes KEY_BYTES of proof."""
    return xor(proof, hmac_sha256(stored_key, auth_message))


def new_nonce() -> bytes:
    """24 printable characters that nobody can guess."""
    return base64.b64encode(os.urandom(_NONCE_BYTES))


def sha256(data: bytes) -> bytes:
    """The digest, 32 bytes."""
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """The authentication code, 32 bytes."""
    return hmac.digest(key, data, "sha256")


def xor(left: bytes, right: bytes) -> bytes:
    """Of two strings of the same length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
