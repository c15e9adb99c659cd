"""TLS of the HTTP port: its certificate is read again when it changes, and another one may come with a reload."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable

from outlive.config.http import Http
from outlive.net.certificates import CertificateError, Certificates, listener_certificates
from outlive.observe.log import fields

log = logging.getLogger("outlive.gateway")
_PROTOCOLS = ["http/1.1"]


class Encryption:
    """`context` is what the listener has for ever; each handshake takes the certificate at hand instead of its own."""

    def __init__(self, http: Callable[[], Http]) -> None:
        self._http = http
        self._files = (http().tls_cert, http().tls_key)
        self._certificates = _load(http())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(_PROTOCOLS)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current()

    def _current(self) -> ssl.SSLContext:
        http = self._http()
        if (http.tls_cert, http.tls_key) != self._files:
            self._files = (http.tls_cert, http.tls_key)
            try:
                self._certificates = _load(http)
            except CertificateError as error:
                log.warning("the HTTP port keeps its certificate", extra=fields(reason=error))
        context = self._certificates.context()
        context.set_alpn_protocols(_PROTOCOLS)
        return context


def _load(http: Http) -> Certificates:
    """Raises CertificateError."""
    if http.tls_cert is None or http.tls_key is None:
        raise CertificateError("TLS of the HTTP port is switched on and off by a restart only")
    return listener_certificates(http.tls_cert, http.tls_key)
