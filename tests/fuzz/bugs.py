"""What a node without sockets logs as its own mistakes."""

import logging


class Bugs(logging.Handler):
    """What is logged with a traceback is a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(f"{record.getMessage()}: {record.exc_info[1]!r}")
