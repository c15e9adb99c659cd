"""The end of the process, where the platform announces it."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_open: weakref.WeakSet[Any] = weakref.WeakSet()
_previous: Any = None
_prepared = False


def close_at_end(owner: Any) -> None:
    """At the interpreter's end, and at SIGTERM before what else happens then."""
    global _prepared, _previous  # noqa: PLW0603
    _open.add(owner)
    if _prepared:
        return
    import atexit
    import signal

    _previous = signal.getsignal(signal.SIGTERM)
    with suppress(ValueError):  # not the main thread
        if _previous is not None:
            signal.signal(signal.SIGTERM, _on_sigterm)
        atexit.register(_close_all)
        _prepared = True


def _on_sigterm(number: int, frame: Any) -> None:
    import signal

    _close_all()
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _close_all() -> None:
    for owner in list(_open):
        owner.close()
