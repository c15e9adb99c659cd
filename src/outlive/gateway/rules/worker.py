"""The process that parses: `python -m outlive.gateway.rules.worker`. It ends with its standard input.

A request is a length of four bytes and msgpack of [seconds, dialect, canonical text]; the answer is a length and
msgpack of [whether it was read, what was read]. One that takes longer than its seconds ends the process.
"""

from __future__ import annotations

import resource
import signal
import sys
from typing import Final

import msgspec

from outlive.gateway.rules.canon import Dialect
from outlive.gateway.rules.facts import Facts
from outlive.gateway.rules.reader import read

_MEMORY_BYTES: Final = 1 << 30


def main() -> None:
    """Serves until the end of its input."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the node, which ends this one when it is done
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(4)) == 4:
        seconds, dialect, text = msgspec.msgpack.decode(
            source.read(int.from_bytes(head, "big")), type=tuple[float, Dialect, str]
        )
        signal.setitimer(signal.ITIMER_REAL, seconds)
        found = read(dialect, text)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer = msgspec.msgpack.encode((isinstance(found, Facts), found))
        sink.write(len(answer).to_bytes(4, "big") + answer)
        sink.flush()


if __name__ == "__main__":
    main()
