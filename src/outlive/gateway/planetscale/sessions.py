"""The session that the client sends back with each statement. It says whether a transaction is open, and is signed.

Outside a transaction it means nothing, so that clients outlive a restart of the node. In one it is the transaction's
id with a signature over it, the principal, the database and the user: it is of use to them only, while it is open.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Any, Final, NamedTuple

from msgspec import Struct

_RANDOM_BYTES: Final = 16


class _Vitess(Struct):
    SessionUUID: str = ""
    autocommit: bool = True
    inTransaction: bool = False


class Given(Struct):
    """As a request has it; what else is in there is not looked at."""

    signature: str = ""
    vitessSession: _Vitess | None = None


class Owner(NamedTuple):
    """Whose session it is."""

    principal: str
    database: str
    user: str


class Sessions:
    """Signs with a key of this node, as long as it runs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def outside(self, owner: Owner) -> dict[str, Any]:
        """A session without a transaction."""
        return self._session(secrets.token_urlsafe(_RANDOM_BYTES), owner, in_transaction=False)

    def inside(self, id: str, owner: Owner) -> dict[str, Any]:
        """The session of the open transaction `id`."""
        return self._session(id, owner, in_transaction=True)

    def _session(self, id: str, owner: Owner, *, in_transaction: bool) -> dict[str, Any]:
        return {
            "signature": self._signature(id, owner),
            "vitessSession": {"SessionUUID": id, "autocommit": True, "inTransaction": in_transaction},
        }

    def _signature(self, id: str, owner: Owner) -> str:
        text = "\0".join((id, *owner))
        return urlsafe_b64encode(hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")).decode()

    def transaction(self, given: Given | None, owner: Owner) -> str | None:
        """The id of its transaction, None outside one; "" where the signature is not this owner's."""
        vitess = None if given is None else given.vitessSession
        if given is None or vitess is None or not vitess.inTransaction:
            return None
        signature = self._signature(vitess.SessionUUID, owner).encode()
        genuine = hmac.compare_digest(signature, given.signature.encode("utf-8", "replace"))
        return vitess.SessionUUID if genuine else ""
