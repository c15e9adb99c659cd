"""TLS contexts from certificate files, which are read again when the files change.

One SSLContext is shared by all connections of a listener or to a server: it holds the certificates and the session
tickets' keys, and a connection costs only its own state.
"""

import logging
import os
import ssl
from collections.abc import Callable
from typing import Final

from outlive.observe.log import fields

log = logging.getLogger("outlive.net")

DISABLED: Final = "disabled"
REQUIRED: Final = "required"
VERIFY_CA: Final = "verify-ca"
VERIFY_IDENTITY: Final = "verify-identity"

_PEM_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_PEM_END: Final = "-----END CERTIFICATE-----"
_READS: Final = 3
"""How often a file that changes while it is read is read again."""

_Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """A certificate, key or CA file cannot be used; the text names the file and what to do."""


class Certificates:
    """A TLS context and the files it is made of.

    The first load happens at once and raises CertificateError. Later, `context()` looks at the files' times at each
    call (a few microseconds; it is called once a connection) and loads them again when one changed. Files that cannot
    be loaded then, as while a certificate is new and its key is not yet, leave the old context in place:
    `error` and one line of the log say why, and a further change of a file is another try.
    """

    __slots__ = ("_build", "_context", "_files", "_stamp", "error", "shown")

    def __init__(self, files: tuple[str, ...], build: Callable[[], tuple[ssl.SSLContext, bytes | None]]) -> None:
        self._files = files
        self._build = build
        self._stamp = self._look()
        self._context, self.shown = build()
        """`shown`: the certificate, in DER, that peers are shown by the context that `context` gave last, if any."""
        self.error: CertificateError | None = None

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. Never raises."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context, self.shown = self._build()
                self.error = None
            except CertificateError as error:
                # Said here, as nothing else shows until the old certificate expires. Once for each change of a file.
                log.warning("certificates not read again", extra=fields(reason=error))
                self.error = error
        return self._context

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in self._files)


def listener_certificates(certificate: str, key: str, client_ca: str | None = None) -> Certificates:
    """What a listener shows to clients: PEM files of its certificate chain and key.

    client_ca: clients must show a certificate of this authority. Raises CertificateError.
    """

    def build() -> tuple[ssl.SSLContext, bytes | None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # PostgreSQL's clients say it, and in a handshake without an SSLRequest must. Those of MySQL say nothing, and go
        # on as before.
        context.set_alpn_protocols(["postgresql"])
        shown = _load_shown(context, certificate, key)
        if client_ca is not None:
            _load_authorities(context, client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context, shown

    return Certificates(_given(certificate, key, client_ca), build)


def server_certificates(
    mode: str = VERIFY_IDENTITY, *, ca: str | None = None, certificate: str | None = None, key: str | None = None
) -> Certificates | None:
    """How servers are verified: `verify-identity` unless something weaker is asked for; None when `disabled`.

    `required` encrypts and verifies nothing, `verify-ca` checks the chain, `verify-identity` also the host's name.
    ca: a PEM file, else the system's authorities. certificate, key: what Outlive shows of itself, if anything.
    Raises CertificateError, and ValueError for a mode that does not exist.
    """
    if mode == DISABLED:
        return None
    if mode not in (REQUIRED, VERIFY_CA, VERIFY_IDENTITY):
        raise ValueError(f"no such TLS mode: {mode!r}; use {DISABLED}, {REQUIRED}, {VERIFY_CA} or {VERIFY_IDENTITY}")

    def build() -> tuple[ssl.SSLContext, None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = mode == VERIFY_IDENTITY
        context.verify_mode = ssl.CERT_NONE if mode == REQUIRED else ssl.CERT_REQUIRED
        if mode != REQUIRED:
            _load_authorities(context, ca)
        if certificate is not None:
            _load_chain(context, certificate, key or certificate)
        return context, None

    return Certificates(_given(ca, certificate, key), build)


def _given(*files: str | None) -> tuple[str, ...]:
    return tuple(path for path in files if path is not None)


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    # The inode as well: certificates are often renewed by turning a symbolic link.
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _no_password() -> bytes:
    """Without this OpenSSL would ask for an encrypted key's password on the terminal, and wait."""
    return b""


def _load_shown(context: ssl.SSLContext, certificate: str, key: str) -> bytes | None:
    """Loads the chain; the certificate itself, in DER, as no context gives it out again."""
    for _ in range(_READS):
        before = _stamp(certificate)
        _load_chain(context, certificate, key)
        shown = _first_certificate(certificate)
        if _stamp(certificate) == before:
            return shown
    return None


def _first_certificate(path: str) -> bytes | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    start = text.find(_PEM_BEGIN)
    end = text.find(_PEM_END, start)
    if start < 0 or end < 0:
        return None
    try:
        return ssl.PEM_cert_to_DER_cert(text[start : end + len(_PEM_END)])
    except ValueError:
        return None


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except ssl.SSLError as error:
        raise CertificateError(
            f"the certificate {certificate} and the key {key} cannot be used ({error.reason or 'no PEM'}): "
            "give a PEM certificate chain and its own unencrypted PEM key"
        ) from None
    except OSError as error:
        path = key if os.access(certificate, os.R_OK) else certificate
        raise CertificateError(f"the file {path} cannot be read: {error.strerror}") from None


def _load_authorities(context: ssl.SSLContext, path: str | None) -> None:
    if path is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise CertificateError(f"the file {path} holds no PEM certificate of an authority") from None
    except OSError as error:
        raise CertificateError(f"the file {path} cannot be read: {error.strerror}") from None
