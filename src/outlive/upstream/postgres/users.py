"""The secrets with which Outlive logs in at a PostgreSQL server."""

from __future__ import annotations

from typing import Final, NamedTuple

from outlive.auth.postgres.scram import ScramKeys
from outlive.upstream.users import Users

_KNOWN_MAX: Final = 10_000


class Proof(NamedTuple):
    """What is enough to log in as a user whose password nobody told Outlive: the SCRAM keys that a client's login
    proved, or the digits of the md5 hash that the server keeps.
    """

    keys: ScramKeys | None = None
    md5: bytes | None = None

    def __repr__(self) -> str:
        return "Proof(...)"

    def says_the_same(self, other: Proof | None) -> bool:
        """Whether both prove the same password."""
        if other is None or self.md5 != other.md5:
            return False
        if self.keys is None or other.keys is None:
            return self.keys is other.keys
        return self.keys.client_key == other.keys.client_key


NO_PROOF: Final = Proof()


class PostgresUsers(Users):
    """See `Users`. `proofs` are kept in memory only, as `passed_through` is."""

    __slots__ = ("proofs",)

    def __init__(self) -> None:
        Users.__init__(self)
        self.proofs: dict[str, Proof] = {}

    def learn(self, user: str, proof: Proof) -> bool:
        """In place of what was known before; whether it is news."""
        if proof.says_the_same(self.proofs.get(user)):
            return False
        if len(self.proofs) >= _KNOWN_MAX:
            del self.proofs[next(iter(self.proofs))]
        self.proofs[user] = proof
        return True

    def proof(self, user: str) -> Proof:
        """What is known beside a password."""
        return self.proofs.get(user, NO_PROOF)

    def forget(self, user: str) -> None:
        """See `Users`."""
        Users.forget(self, user)
        self.proofs.pop(user, None)
