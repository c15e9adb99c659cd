"""A headless Chromium, asked over its pipe: the DevTools protocol, a JSON document and a NUL at a time."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")


class Chromium:
    """One page, at `url`. `evaluate` gives a value of it, and waits where that is a promise."""

    def __init__(self, url: str, folder: Path) -> None:
        assert PROGRAM is not None
        commands, self._writer = os.pipe()
        self._reader, answers = os.pipe()
        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
        ]
        # It reads its descriptor 3 and writes its descriptor 4, whichever numbers they have here.
        shell = f'exec 3<&{commands} 4>&{answers}; exec "$0" "$@"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, PROGRAM, *arguments, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._number = 0
        self._session = ""
        target = self._call("Target.createTarget", url=url)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._writer, json.dumps(asked).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                data = os.read(self._reader, 65536)
                assert data, "Chromium has ended"
                self._buffer += data
            message, _, self._buffer = self._buffer.partition(b"\0")
            found = json.loads(message)
            if found.get("id") == self._number:
                return found["result"]

    def evaluate(self, expression: str) -> Any:
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._writer)
            os.close(self._reader)
        self._process.kill()
        self._process.wait()
