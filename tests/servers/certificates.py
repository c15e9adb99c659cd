"""A certificate authority for one test run, and what it signs."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .processes import own_folder

_VALID = datetime.timedelta(days=7)


class Certificates:
    """Paths of PEM files: `ca`; `server_cert`, `server_key` (localhost, 127.0.0.1); `client_cert`, `client_key`;
    `other_ca`, which signed none of them.
    """

    _shared: "Certificates | None" = None

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or own_folder("tls")
        self._ca_key = ec.generate_private_key(ec.SECP256R1())
        self._ca = _authority("Outlive test authority", self._ca_key)
        self.ca = self._write("ca.pem", self._ca.public_bytes(serialization.Encoding.PEM))
        other_key = ec.generate_private_key(ec.SECP256R1())
        self.other_ca = self._write(
            "other-ca.pem", _authority("Another authority", other_key).public_bytes(serialization.Encoding.PEM)
        )
        self.server_cert, self.server_key = self.issue("server", hosts=("localhost", "127.0.0.1", "::1"))
        self.client_cert, self.client_key = self.issue("client", client=True)

    @classmethod
    def shared(cls) -> "Certificates":
        """The ones that every server of this process uses."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def issue(
        self, name: str, *, hosts: tuple[str, ...] = (), client: bool = False, valid: datetime.timedelta = _VALID
    ) -> tuple[Path, Path]:
        """Sign a new certificate for `hosts` (names or addresses); returns the paths of it and its key,
        overwriting those of the same name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _builder(name, self._ca.subject, key.public_key(), valid)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()), critical=False
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._ca_key, hashes.SHA256())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (
            self._write(f"{name}-cert.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}-key.pem", pem),
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600 if name.endswith("key.pem") else 0o644)
        return path


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    name: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, valid: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, subject, key.public_key(), _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
