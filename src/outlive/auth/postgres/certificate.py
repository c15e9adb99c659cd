"""What logins read of certificates: the channel binding, and the name of a user."""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import Certificate, InvalidVersion, load_der_x509_certificate
from cryptography.x509.oid import NameOID

_WEAK: Final = ("md5", "sha1")


def tls_server_end_point(der: bytes) -> bytes | None:
    """The channel binding of a server's certificate (RFC 5929, 4.1), given in DER.

    Its digest by the hash of its signature, SHA-256 in place of MD5 and SHA-1. None where the signature has no hash of
    its own, as with Ed25519: for these no binding is defined, and SCRAM goes without. None also for what is no
    certificate.
    """
    certificate = _load(der)
    if certificate is None:
        return None
    try:
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    digest = hashes.Hash(hashes.SHA256() if algorithm.name in _WEAK else algorithm)
    digest.update(der)
    return digest.finalize()


def common_name(der: bytes) -> bytes | None:
    """The common name of a client's certificate, the first if there are several, as PostgreSQL takes it.

    None if there is none, or if it holds a NUL: to who reads up to that, "admin\\0.example" is "admin".
    """
    certificate = _load(der)
    if certificate is None:
        return None
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    value = names[0].value if names else ""
    name = value.encode("utf-8") if isinstance(value, str) else value
    return name if name and b"\0" not in name else None


def _load(der: bytes) -> Certificate | None:
    try:
        return load_der_x509_certificate(der)
    except (ValueError, InvalidVersion):
        return None
