"""What is known of a user's password."""

from outlive.auth.mysql.scramble import native_verifier, sha2_verifier


class Credential:
    """A user's password, or only the verifiers of it; neither shows in its repr.

    Raises ValueError if there is no password and a verifier is missing.
    """

    __slots__ = ("native", "password", "sha2")

    def __init__(self, password: bytes | None, *, native: bytes | None = None, sha2: bytes | None = None) -> None:
        self.password = password
        """The clear password, or None where only its verifiers are known."""
        if password is not None:
            native, sha2 = native_verifier(password), sha2_verifier(password)
        if native is None or sha2 is None:
            raise ValueError("a credential without a password needs both verifiers")
        self.native = native
        """SHA1(SHA1(password)), empty for an empty password."""
        self.sha2 = sha2
        """SHA256(SHA256(password)), empty for an empty password."""

    def __repr__(self) -> str:
        return "Credential(...)"
