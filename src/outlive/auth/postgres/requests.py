"""The payloads of AuthenticationXXX messages (type R), as far as the login machines of both sides need them.

Source: "Message Formats" of PostgreSQL's frontend/backend protocol documentation.
"""

from typing import Final

from outlive.wire import ProtocolError

OK: Final = 0
KERBEROS_V5: Final = 2
CLEARTEXT_PASSWORD: Final = 3
CRYPT_PASSWORD: Final = 4
MD5_PASSWORD: Final = 5
SCM_CREDENTIAL: Final = 6
GSS: Final = 7
GSS_CONTINUE: Final = 8
SSPI: Final = 9
SASL: Final = 10
SASL_CONTINUE: Final = 11
SASL_FINAL: Final = 12

MD5_SALT_BYTES: Final = 4

SCRAM_SHA_256: Final = b"SCRAM-SHA-256"
SCRAM_SHA_256_PLUS: Final = b"SCRAM-SHA-256-PLUS"


def request(code: int, data: bytes = b"") -> bytes:
    """The payload of an AuthenticationXXX message."""
    return code.to_bytes(4, "big") + data


def parse_request(payload: bytes) -> tuple[int, bytes]:
    """The code and the data of an AuthenticationXXX message. Raises ProtocolError if there is no code."""
    if len(payload) < 4:
        raise ProtocolError("an authentication request is too short")
    return int.from_bytes(payload[:4], "big"), payload[4:]


def mechanism_list(mechanisms: tuple[bytes, ...]) -> bytes:
    """The data of AuthenticationSASL."""
    return b"".join([name + b"\0" for name in mechanisms]) + b"\0"


def parse_mechanism_list(data: bytes) -> list[bytes]:
    """The mechanisms that AuthenticationSASL offers. Raises ProtocolError if the list is torn."""
    if data == b"\0":
        return []
    names = data[:-2].split(b"\0")
    if not data.endswith(b"\0\0") or b"" in names:
        raise ProtocolError("the list of SASL mechanisms is malformed")
    return names


def sasl_initial_response(mechanism: bytes, response: bytes) -> bytes:
    """The payload of SASLInitialResponse."""
    return mechanism + b"\0" + len(response).to_bytes(4, "big") + response


def parse_sasl_initial_response(payload: bytes) -> tuple[bytes, bytes | None]:
    """The mechanism, and its initial response, None if there is none. Raises ProtocolError if the message is torn."""
    mechanism, nul, rest = payload.partition(b"\0")
    length = int.from_bytes(rest[:4], "big", signed=True)
    if not nul or len(rest) < 4:
        raise ProtocolError("a SASLInitialResponse is too short")
    if length == -1 and len(rest) == 4:
        return mechanism, None
    if length != len(rest) - 4:
        raise ProtocolError("the length in a SASLInitialResponse is wrong")
    return mechanism, rest[4:]
