"""The challenge responses of MySQL's and MariaDB's authentication plugins.

Sources: "Authentication Methods" in MySQL's client/server protocol documentation (native, caching_sha2) and
MariaDB's "Authentication plugin - ed25519". Passwords, responses and verifiers are bytes; an empty password has
an empty response and an empty verifier everywhere, as on the servers.
"""

import hashlib
import os
from hmac import compare_digest
from itertools import cycle

from outlive.auth.mysql import ed25519

NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"
SHA256 = b"sha256_password"
CLEAR = b"mysql_clear_password"
ED25519 = b"client_ed25519"

SCRAMBLE_BYTES = 20
"""Length of the greeting's scramble, for native and caching_sha2 (a NUL follows it on the wire)."""

ED25519_SCRAMBLE_BYTES = 32
NATIVE_RESPONSE_BYTES = 20
SHA2_RESPONSE_BYTES = 32

_SCRAMBLE_ALPHABET = bytes(byte for byte in range(1, 128) if byte != ord("$"))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def new_scramble() -> bytes:
    """A random scramble for a greeting: 20 bytes of 7 bits without NUL and "$", as MySQL makes them.

    Clients read it up to a NUL, and the servers keep "$" out as it separates the fields of stored passwords.
    """
    return bytes(_SCRAMBLE_ALPHABET[byte % len(_SCRAMBLE_ALPHABET)] for byte in os.urandom(SCRAMBLE_BYTES))


def native_verifier(password: bytes) -> bytes:
    """What a server stores for mysql_native_password: SHA1(SHA1(password))."""
    return _sha1(_sha1(password)) if password else b""


def native_response(password: bytes, scramble: bytes) -> bytes:
    """SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password)))."""
    if not password:
        return b""
    stage1 = _sha1(password)
    return _xor(stage1, _sha1(scramble + _sha1(stage1)))


def native_matches(response: bytes, scramble: bytes, verifier: bytes) -> bool:
    """Whether the response proves the password of this verifier; in constant time for a full-length response."""
    if not verifier or len(response) != NATIVE_RESPONSE_BYTES:
        return not verifier and not response
    stage1 = _xor(response, _sha1(scramble + verifier))
    return compare_digest(_sha1(stage1), verifier)


def sha2_verifier(password: bytes) -> bytes:
    """What a server's caching_sha2_password cache holds: SHA256(SHA256(password))."""
    return _sha256(_sha256(password)) if password else b""


def sha2_response(password: bytes, scramble: bytes) -> bytes:
    """SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble)."""
    if not password:
        return b""
    stage1 = _sha256(password)
    return _xor(stage1, _sha256(_sha256(stage1) + scramble))


def sha2_matches(response: bytes, scramble: bytes, verifier: bytes) -> bool:
    """Whether the fast response proves the password of this verifier; in constant time for a full-length response."""
    if not verifier or len(response) != SHA2_RESPONSE_BYTES:
        return not verifier and not response
    stage1 = _xor(response, _sha256(verifier + scramble))
    return compare_digest(_sha256(stage1), verifier)


def mask(password: bytes, scramble: bytes) -> bytes:
    """The password's bytes XOR the repeated scramble; its own inverse (the plaintext of the RSA exchange)."""
    return bytes(a ^ b for a, b in zip(password, cycle(scramble), strict=False))


def ed25519_response(password: bytes, scramble: bytes) -> bytes:
    """The signature MariaDB's client_ed25519 sends over the 32 byte scramble."""
    return ed25519.sign(password, scramble)
