"""The RSA exchange of caching_sha2_password: a password over a connection without TLS.

The password, with its NUL, is masked with the scramble and encrypted with OAEP over SHA-1, as the servers expect
(MySQL's "Caching_sha2_password information"). The key is not certified: this hides a password from who listens,
not from who stands between; TLS does both.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from outlive.auth.mysql.scramble import mask
from outlive.wire import ProtocolError

_KEY_BITS = 2048
_LARGEST_KEY_BITS = 16384  # what MySQL itself can be told to make; more is a server that wants our processor's time


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303


class LoginKey:
    """The key pair that clients without TLS encrypt passwords with; made once a process, never stored."""

    __slots__ = ("_private", "public_pem")

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        self.public_pem: bytes = self._private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def decrypt(self, ciphertext: bytes, scramble: bytes) -> bytes | None:
        """The password with its NUL, or None if this is no ciphertext of this key."""
        try:
            return mask(self._private.decrypt(ciphertext, _oaep()), scramble)
        except ValueError:
            return None


def encrypt_password(public_pem: bytes, password: bytes, scramble: bytes) -> bytes:
    """The ciphertext of the password for a server's key.

    Raises ProtocolError if the key is none, is not RSA, or is too small for the password.
    """
    try:
        key = load_pem_public_key(public_pem)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size <= _LARGEST_KEY_BITS:
            return key.encrypt(mask(password + b"\0", scramble), _oaep())
    except (ValueError, UnsupportedAlgorithm):
        pass  # the library's words may quote what it was given
    raise ProtocolError("the server's key for the password is not a usable RSA key")
