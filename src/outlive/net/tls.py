"""TLS as one adapter over ssl.MemoryBIO, for both sides of a connection and without a socket.

A connection's protocol object stays simple: what the socket gave goes through `receive`, what it wants to say through
`send`, and after either it writes `outgoing()` to its transport. This also lets a MySQL client's ClientHello, which
may come in the same segment as its SSLRequest, go into the engine as any other byte.

Memory: an idle connection costs about 18 KiB, nearly all of it OpenSSL's. A MemoryBIO never shrinks, so everything
passes through in pieces: what a connection once carried does not stay with it.
"""

import ssl
from typing import Final

# What either BIO holds at most, and so the size of our TLS records: both are emptied after each piece. Measured after a
# megabyte each way: 28 KiB a connection with 4 KiB, 61 KiB with 16 KiB (a full record), for half as much CPU a byte in
# bulk (1.4 against 0.7 ns), which small replies, the common case, never notice.
_PIECE_BYTES: Final = 4 * 1024


class TLSError(Exception):
    """The connection cannot go on: handshake refused, certificate not trusted, or bytes that are no TLS.

    Its text is OpenSSL's reason, fit for a log. `outgoing()` may still hold the alert that tells the peer.
    """


class TLS:
    """One TLS connection. Every method may raise TLSError, and nothing else; after that the connection is over.

    A client side has its ClientHello in `outgoing()` at once. What is sent before the handshake is done waits for it:
    it goes out encrypted to a peer that was verified, or never.
    """

    __slots__ = ("_engine", "_failed", "_incoming", "_outgoing", "_pieces", "_unsent", "closed", "established")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None) -> None:
        """server_hostname: the name to ask for and, if the context verifies names, to insist on.

        Raises TLSError if it cannot be a host's name.
        """
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._pieces: list[bytes] = []
        self._unsent: list[bytes] = []
        self._failed = False
        self.established = False
        """The handshake is done."""
        self.closed = False
        """The peer said that nothing follows (close_notify)."""
        if context.check_hostname and not server_hostname:
            # wrap_bio would take None, and then verify no name at all.
            raise TLSError("TLS cannot begin: there is no name to verify the server by")
        try:
            self._engine = context.wrap_bio(
                self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
            )
        except (OSError, ValueError, TypeError):
            raise TLSError(f"TLS cannot begin: {server_hostname!r} cannot be a host's name") from None
        if not server_side:
            self._handshake()

    def receive(self, ciphertext: bytes) -> bytes:
        """What the peer sent in these bytes, decrypted; the empty bytes during the handshake."""
        self._check()
        if len(ciphertext) <= _PIECE_BYTES:
            return self._receive_piece(ciphertext)
        view = memoryview(ciphertext)
        starts = range(0, len(view), _PIECE_BYTES)
        return b"".join([self._receive_piece(view[start : start + _PIECE_BYTES]) for start in starts])

    def send(self, plaintext: bytes) -> None:
        """Encrypt these bytes into `outgoing()`."""
        self._check()
        if not self.established:
            self._unsent.append(plaintext)
            return
        if not plaintext:
            return
        if len(plaintext) <= _PIECE_BYTES:
            self._send_piece(plaintext)
            return
        view = memoryview(plaintext)
        for start in range(0, len(view), _PIECE_BYTES):
            self._send_piece(view[start : start + _PIECE_BYTES])
            self._pieces.append(self._outgoing.read())

    def outgoing(self) -> bytes:
        """What is to be written to the peer; empty when there is nothing."""
        if not self._pieces:
            return self._outgoing.read()
        pieces = self._pieces
        self._pieces = []
        pieces.append(self._outgoing.read())
        return b"".join(pieces)

    def close(self) -> None:
        """Put a close_notify into `outgoing()`: the peer then knows that nothing was cut off. Never raises."""
        if not self.established or self._failed:
            return
        try:
            self._engine.unwrap()
        except OSError:
            pass  # SSLWantReadError: the peer's own close_notify is not waited for

    @property
    def version(self) -> str:
        """The protocol's version, as "TLSv1.3"; empty before the handshake is done."""
        return (self._engine.version() or "") if self.established else ""

    @property
    def cipher(self) -> str:
        """The cipher's name in OpenSSL's spelling; empty before the handshake is done."""
        chosen = self._engine.cipher() if self.established else None
        return chosen[0] if chosen else ""

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the peer showed, in DER, verified only as far as the context says; None without one."""
        return self._engine.getpeercert(binary_form=True) if self.established else None

    @property
    def application_protocol(self) -> str | None:
        """What ALPN agreed on; None where either side has nothing to say, or the handshake is not done."""
        return self._engine.selected_alpn_protocol() if self.established else None

    def _receive_piece(self, ciphertext: bytes | memoryview) -> bytes:
        if self.closed:
            return b""  # nothing may follow a close_notify: what does is dropped unread
        self._incoming.write(ciphertext)
        if not self.established and not self._handshake():
            return b""
        plain = self._read()
        # Asking again costs an exception; a message that came as one whole record, the usual case, is spared it.
        if not plain or not (self._incoming.pending or self._engine.pending()):
            return plain
        pieces = [plain]
        while plain := self._read():
            pieces.append(plain)
        return b"".join(pieces)

    def _read(self) -> bytes:
        try:
            plain = self._engine.read(_PIECE_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            plain = b""
        except OSError as error:
            raise self._fail(error) from None
        if not plain:
            self.closed = True
        return plain

    def _send_piece(self, plaintext: bytes | memoryview) -> None:
        try:
            self._engine.write(plaintext)
        except OSError as error:
            raise self._fail(error) from None

    def _handshake(self) -> bool:
        try:
            self._engine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (OSError, ValueError) as error:
            raise self._fail(error) from None
        self.established = True
        unsent, self._unsent = self._unsent, []
        for plaintext in unsent:
            self.send(plaintext)
        return True

    def _check(self) -> None:
        if self._failed:
            raise TLSError("the TLS connection has failed before")

    def _fail(self, error: Exception) -> TLSError:
        self._failed = True
        self._unsent = []
        return TLSError(_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "the TLS connection failed"
