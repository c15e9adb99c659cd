"""ErrorResponse and NoticeResponse: their fields, read and written.

Source: "Error and Notice Message Fields" of the PostgreSQL documentation. Fields Outlive does not know are kept.
"""

from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import ERROR_RESPONSE, INTERNAL_ERROR, NOTICE_RESPONSE
from outlive.wire.postgres.messages import message

_SEVERITY: Final = b"S"  # may be translated; V (from 9.6 on) is not
_SEVERITY_PLAIN: Final = b"V"
_CODE: Final = b"C"
_MESSAGE: Final = b"M"
_DETAIL: Final = b"D"
_HINT: Final = b"H"
_POSITION: Final = b"P"
_FATAL: Final = (b"FATAL", b"PANIC")


class ErrorFields:
    """What an ErrorResponse or a NoticeResponse says. Texts are in the client's encoding; b"" where a field is absent.

    `severity` is the untranslated one. `raw` is the payload as it came, where it was read whole.
    """

    __slots__ = ("code", "detail", "hint", "message", "position", "raw", "severity")

    def __init__(
        self,
        severity: bytes,
        code: bytes,
        message: bytes,
        *,
        detail: bytes = b"",
        hint: bytes = b"",
        position: bytes = b"",
        raw: bytes = b"",
    ) -> None:
        self.severity = severity
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.raw = raw

    @property
    def fatal(self) -> bool:
        """The server ends the connection behind it."""
        return self.severity in _FATAL

    def payload(self) -> bytes:
        """The payload of a message that says the same; `raw` where there is one."""
        if self.raw:
            return self.raw
        fields = [
            (_SEVERITY, self.severity),
            (_SEVERITY_PLAIN, self.severity),
            (_CODE, self.code),
            (_MESSAGE, self.message),
            (_DETAIL, self.detail),
            (_HINT, self.hint),
            (_POSITION, self.position),
        ]
        # A NUL would end the field early and make fields of the rest.
        return b"".join(kind + text.replace(b"\0", b"") + b"\0" for kind, text in fields if text) + b"\0"

    def __repr__(self) -> str:
        return f"<{self.severity.decode('ascii', 'replace')} {self.code.decode('ascii', 'replace')}>"


def error_response(
    severity: bytes, code: bytes, text: bytes, *, detail: bytes = b"", hint: bytes = b"", position: bytes = b""
) -> bytes:
    """ErrorResponse of Outlive's own; severity is b"ERROR", or b"FATAL" where the connection ends."""
    fields = ErrorFields(severity, code, text, detail=detail, hint=hint, position=position)
    return message(ERROR_RESPONSE, fields.payload())


def notice_response(severity: bytes, code: bytes, text: bytes, *, detail: bytes = b"", hint: bytes = b"") -> bytes:
    """NoticeResponse of Outlive's own; severity is b"WARNING", b"NOTICE" and so on."""
    return message(NOTICE_RESPONSE, ErrorFields(severity, code, text, detail=detail, hint=hint).payload())


def encode_error(fields: ErrorFields) -> bytes:
    """ErrorResponse that says the same as one that was read."""
    return message(ERROR_RESPONSE, fields.payload())


def parse_error(payload: bytes, whole: bool = True) -> ErrorFields:
    """Reads the payload of an ErrorResponse or a NoticeResponse; of its beginning only where it is not `whole`.

    Raises ProtocolError where a field is not terminated. A missing severity is ERROR and a missing code XX000, for
    poolers and proxies between here and the server are known to leave fields out.
    """
    found: dict[bytes, bytes] = {}
    position, size = 0, len(payload)
    while position < size and payload[position]:
        end = payload.find(b"\0", position)
        if end < 0:
            if whole:
                raise ProtocolError("a field of an error is not terminated")
            end = size
        found.setdefault(payload[position : position + 1], payload[position + 1 : end])
        position = end + 1
    if whole and position != size - 1:
        raise ProtocolError("the fields of an error are not terminated")
    severity = found.get(_SEVERITY_PLAIN) or found.get(_SEVERITY) or b"ERROR"
    return ErrorFields(
        severity,
        found.get(_CODE, INTERNAL_ERROR),
        found.get(_MESSAGE, b""),
        detail=found.get(_DETAIL, b""),
        hint=found.get(_HINT, b""),
        position=found.get(_POSITION, b""),
        raw=payload if whole else b"",
    )
