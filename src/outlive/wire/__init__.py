"""Bytes to messages and back: no sockets, no clocks, no logging, the standard library only."""


class ProtocolError(ValueError):
    """The other end sent bytes that its protocol does not allow.

    The one exception readers raise for bad input; any other is a bug. Its text names what was malformed and never
    quotes what was received, for that may hold a secret.
    """
