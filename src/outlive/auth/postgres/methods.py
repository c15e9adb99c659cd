"""The authentication methods, under the names that pg_hba.conf and libpq's `require_auth` have for them."""

from typing import Final

NONE: Final = "none"
"""The server asked for nothing: `trust`, or a client certificate that it was shown in the TLS handshake."""
CERT: Final = "cert"
CLEAR: Final = "password"
MD5: Final = "md5"
SCRAM: Final = "scram-sha-256"

ALL_METHODS: Final = frozenset({NONE, CLEAR, MD5, SCRAM})
"""All that a server may ask for."""
