"""Log lines: `key=value` on standard error, one line an event, never a secret.

log = logging.getLogger("outlive.proxy")
log.warning("client evicted", extra=fields(client=7, idle_s=310))
-> time=2026-01-02T03:04:05.678Z level=warning event="client evicted" client=7 idle_s=310
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any, Final, TextIO

MAX_VALUE_CHARACTERS: Final = 2048  # an error text of a server may be long; a line should stay readable

_BARE: Final = re.compile(r"[A-Za-z0-9_.:/@%+,*\[\]-]+\Z")
# A guard behind the rule that secrets are not handed to logs at all: a field of such a name is never written.
_SECRET_NAME: Final = re.compile(r"passw|secret|token|credential|auth_response|scramble", re.IGNORECASE)
_SECRET_IN_URL: Final = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s:@/]*:)[^\s]*@")
_HIDDEN: Final = "***"
_FIELDS: Final = "outlive_fields"


def fields(**values: object) -> dict[str, Any]:
    """What stands behind the event of a log line; for `extra=`."""
    return {_FIELDS: values}


class KeyValueFormatter(logging.Formatter):
    """One event as one line of `key=value`; control characters are escaped, so that nobody can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        pairs: list[tuple[str, object]] = [
            ("time", _timestamp(record.created)),
            ("level", record.levelname.lower()),
            ("event", record.getMessage()),
        ]
        pairs.extend(getattr(record, _FIELDS, {}).items())
        if record.exc_info:
            pairs.append(("traceback", self.formatException(record.exc_info)))
        return " ".join(f"{key}={_written(key, value)}" for key, value in pairs)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Sends what `outlive` logs from `level` up to `stream` (standard error). Again at a reload: it replaces."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(KeyValueFormatter())
    logger = logging.getLogger("outlive")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    logging.raiseExceptions = False  # a closed standard error must not end the node


def _timestamp(created: float) -> str:
    seconds, fraction = divmod(created, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1000):03d}Z"


def _written(key: str, value: object) -> str:
    if _SECRET_NAME.search(key):
        return _HIDDEN
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = _SECRET_IN_URL.sub(rf"\1{_HIDDEN}@", text)
    if len(text) > MAX_VALUE_CHARACTERS:
        text = f"{text[:MAX_VALUE_CHARACTERS]}..."
    return text if _BARE.match(text) else json.dumps(text)
