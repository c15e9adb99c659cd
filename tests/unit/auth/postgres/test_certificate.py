"""Channel bindings and names, from certificates with each kind of signature."""

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from outlive.auth.postgres import common_name, tls_server_end_point

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
DAY = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def certificate(key=EC, algorithm=hashes.SHA256(), names=("app",), pss=False) -> bytes:  # noqa: B008
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in names])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, DAY, DAY + datetime.timedelta(1))
    scheme = padding.PSS(padding.MGF1(algorithm), 32) if pss else None
    return builder.sign(key, algorithm, rsa_padding=scheme).public_bytes(Encoding.DER)


@pytest.mark.parametrize("key", [RSA, EC])
@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        (hashes.SHA224(), "sha224"),
        (hashes.SHA256(), "sha256"),
        (hashes.SHA384(), "sha384"),
        (hashes.SHA512(), "sha512"),
    ],
)
def test_the_signatures_hash(key, algorithm, digest: str) -> None:
    der = certificate(key, algorithm)
    assert tls_server_end_point(der) == hashlib.new(digest, der).digest()


def test_the_hash_of_a_pss_signature_is_in_its_parameters() -> None:
    der = certificate(RSA, hashes.SHA512(), pss=True)
    assert tls_server_end_point(der) == hashlib.sha512(der).digest()


@pytest.mark.parametrize("weak", ["sha1WithRSAEncryption", "md5WithRSAEncryption"])
def test_weak_hashes_give_way_to_sha256(weak: str) -> None:
    # Such certificates are not made any more: change the name of the algorithm in one (1.2.840.113549.1.1.11).
    arcs = {"sha1WithRSAEncryption": b"\x05", "md5WithRSAEncryption": b"\x04"}
    prefix = bytes.fromhex("06092a864886f70d0101")
    der = certificate(RSA).replace(prefix + b"\x0b", prefix + arcs[weak])
    assert tls_server_end_point(der) == hashlib.sha256(der).digest()


def test_a_signature_without_a_hash_has_no_binding() -> None:
    assert tls_server_end_point(certificate(ED25519, None)) is None


def test_an_unknown_signature_has_no_binding() -> None:
    prefix = bytes.fromhex("06092a864886f70d0101")
    assert tls_server_end_point(certificate(RSA).replace(prefix + b"\x0b", prefix + b"\x7f")) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("app",), b"app"),
        (("J\u00fcrgen",), "J\u00fcrgen".encode()),
        (("first", "second"), b"first"),
        (("admin\0.example",), None),
        ((), None),
    ],
)
def test_the_common_name(names: tuple[str, ...], expected: bytes | None) -> None:
    assert common_name(certificate(names=names)) == expected


DER = certificate(RSA)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(
    st.binary(max_size=64)
    | st.tuples(st.integers(0, len(DER) - 1), st.integers(1, 255)).map(
        lambda change: DER[: change[0]] + bytes([DER[change[0]] ^ change[1]]) + DER[change[0] + 1 :]
    )
)
def test_what_is_no_certificate_has_neither_and_raises_nothing(der: bytes) -> None:
    assert isinstance(tls_server_end_point(der), bytes | None)
    assert isinstance(common_name(der), bytes | None)


def test_a_certificate_of_no_known_version_is_none() -> None:
    der = DER.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"))
    assert tls_server_end_point(der) is None
    assert common_name(der) is None
