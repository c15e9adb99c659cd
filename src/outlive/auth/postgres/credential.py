"""What is known of a user's password."""

from outlive.auth.postgres.md5 import md5_hash, parse_md5_hash
from outlive.auth.postgres.mock import MockSecrets
from outlive.auth.postgres.scram import ScramSecret, derive


class Credential:
    """A user's password, or only what a server stores of it; none of it shows in its repr.

    Raises ValueError if nothing is known.
    """

    __slots__ = ("md5", "password", "scram")

    def __init__(
        self, *, password: bytes | None = None, scram: ScramSecret | None = None, md5: bytes | None = None
    ) -> None:
        if scram is None and md5 is None:
            raise ValueError("a credential needs a SCRAM secret or an md5 hash")
        self.password = password
        """The clear password, or None where only its secret or hash is known."""
        self.scram = scram
        self.md5 = md5
        """MD5(password + user), 32 hexadecimal digits."""

    @classmethod
    def of_password(cls, user: bytes, password: bytes, mock: MockSecrets) -> "Credential | None":
        """From a clear password; keep it, since this derives the SCRAM keys (about 1 ms).

        None for an empty password: with that nobody logs in, as on the servers.
        """
        if not password:
            return None
        secret = derive(password, mock.salt(user), mock.iterations).secret()
        return cls(password=password, scram=secret, md5=md5_hash(password, user))

    @classmethod
    def of_stored(cls, text: str) -> "Credential":
        """From pg_authid.rolpassword, or what an `auth_query` returned: a SCRAM-SHA-256 secret or an md5 hash.

        Raises ValueError, without the text, for anything else.
        """
        stored = parse_md5_hash(text)
        if stored is not None:
            return cls(md5=stored)
        return cls(scram=ScramSecret.parse(text))

    def __repr__(self) -> str:
        return "Credential(...)"
