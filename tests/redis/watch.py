"""Counts Outlive's connections at the server every 10 ms, on a connection of its own."""

import random
import re
import threading
import time
from contextlib import suppress

from .talk import CLOSED, Talker

PERIOD_S = 0.01


class Observer:
    """`most`: the most of them that were there at once, as CLIENT LIST shows them; `samples` how often it looked.

    With `kill_every_s` it ends one of them at random so often.
    """

    def __init__(self, port: int, *, kill_every_s: float | None = None) -> None:
        self.most = 0
        self.samples = 0
        self.kills = 0
        self._port = port
        self._kill_every_s = kill_every_s
        self._random = random.Random(3)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.is_set():
            with suppress(OSError), Talker(self._port) as talker:
                talker.ask("CLIENT", "SETNAME", "observer")
                killed_at = time.monotonic()
                while not self._over.wait(PERIOD_S):
                    found = talker.ask("CLIENT", "LIST")
                    if found.endswith(CLOSED):
                        break  # the server was restarted
                    # A connection is counted before it has said its name, too.
                    others = [line for line in found.split(b"\n")[1:-2] if b" name=observer " not in line]
                    self.most = max(self.most, len(others))
                    self.samples += 1
                    if self._kill_every_s and others and time.monotonic() - killed_at > self._kill_every_s:
                        killed_at = time.monotonic()
                        victim = re.match(rb"id=(\d+)", self._random.choice(others))
                        assert victim
                        talker.ask("CLIENT", "KILL", "ID", victim[1])
                        self.kills += 1
            self._over.wait(PERIOD_S)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
