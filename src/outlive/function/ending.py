"""The end of the process, where the platform announces it: idle connections say goodbye. Best effort."""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_open: weakref.WeakSet[Any] = weakref.WeakSet()
_previous: Any = None
_prepared = False


def close_at_end(closable: Any) -> None:
    """`close()` it at the interpreter's end, and at SIGTERM before whatever else happens then.

    The handler is set by the main thread only, and not where there is one that cannot be called after it.
    """
    global _prepared, _previous  # noqa: PLW0603
    _open.add(closable)
    if _prepared:
        return
    import atexit
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        _prepared = True
        atexit.register(_close_all)
        _previous = signal.getsignal(signal.SIGTERM)
        if _previous is not None:
            signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: Any) -> None:
    import os
    import signal

    _close_all()
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _close_all() -> None:
    for closable in list(_open):
        closable.close()
