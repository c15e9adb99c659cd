"""Ed25519 signatures with a password as the secret, as MariaDB's client_ed25519 makes them.

MariaDB expands the *password* with SHA-512 where RFC 8032 expands a 32 byte seed, so libraries, which take only
seeds, cannot sign for it. Signing happens once a dial and takes about 2 ms; every step does the same work whatever
the secret's bits are, as far as Python's integers allow.
"""

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)
_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


def _add(a: _Point, b: _Point) -> _Point:
    """Extended twisted Edwards addition (RFC 8032, 5.1.4): complete, so that it doubles too."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e = (y1 - x1) * (y2 - x2) % _P
    f = (y1 + x1) * (y2 + x2) % _P
    g = 2 * t1 * t2 * _D % _P
    h = 2 * z1 * z2 % _P
    u, v, w, s = f - e, h - g, h + g, f + e
    return u * v % _P, w * s % _P, v * w % _P, u * s % _P


def _doublings() -> tuple[_Point, ...]:
    x, y = _BASE
    points = [(x, y, 1, x * y % _P)]
    for _ in range(254):
        points.append(_add(points[-1], points[-1]))
    return tuple(points)


_DOUBLINGS = _doublings()


def _encoded_multiple_of_base(scalar: int) -> bytes:
    total = _IDENTITY
    for bit, point in enumerate(_DOUBLINGS):
        total = _add(total, (_IDENTITY, point)[scalar >> bit & 1])
    x, y, z, _ = total
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _scalar(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


def sign(password: bytes, message: bytes) -> bytes:
    """The 64 byte signature of the message under the password (RFC 8032, 5.1.6, but for the seed)."""
    expanded = hashlib.sha512(password).digest()
    secret = int.from_bytes(expanded[:32], "little") & ((1 << 254) - 8) | 1 << 254
    public = _encoded_multiple_of_base(secret)
    nonce = _scalar(expanded[32:], message)
    point = _encoded_multiple_of_base(nonce)
    answer = (nonce + _scalar(point, public, message) * secret) % _ORDER
    return point + answer.to_bytes(32, "little")
