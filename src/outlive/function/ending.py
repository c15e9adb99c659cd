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


def close_at_end(owner: Any, *, sigterm: bool) -> None:
    """At the interpreter's; at SIGTERM before what else happens."""
    global _prepared, _previous  # noqa: PLW0603
    if not _open:
        import atexit

        atexit.register(_close_all)
    _open.add(owner)
    if _prepared or not sigterm:
        return
    import signal

    _previous = signal.getsignal(signal.SIGTERM)
    with suppress(ValueError):  # not the main thread
        if _previous is not None:
            signal.signal(signal.SIGTERM, _on_sigterm)
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
