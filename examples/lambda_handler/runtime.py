"""What a platform does to a function instance, on one's own machine: start, invoke, freeze, thaw, kill.

    instance = Instance("handler:handler", folder="examples/lambda_handler")
    instance.invoke({"item": "tea"}, timeout_s=3)   # thaws it, and freezes it again after the answer
    instance.kill()                                 # no warning, no clean-up

Standard library only. The instance is a process that is stopped by SIGSTOP from the answer to one request until the
next one comes, as a platform's machine is; SIGSTOP stops no clock.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any


class Instance:
    """One instance; it is cold until the first `invoke`."""

    def __init__(self, handler: str, *, folder: str = ".", environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), handler],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, event: object, *, timeout_s: float = 3.0) -> None:
        """Thaw it and hand it a request that must be answered within `timeout_s`."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"event": event, "timeout_s": timeout_s}) + "\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Wait for the answer and freeze it. RuntimeError with the handler's error, or when it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._process.send_signal(signal.SIGSTOP)
        if not line:
            raise RuntimeError("the instance ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def invoke(self, event: object, *, timeout_s: float = 3.0) -> dict[str, Any]:
        """`send` and `receive`."""
        self.send(event, timeout_s=timeout_s)
        return self.receive()

    def kill(self) -> None:
        """SIGKILL: it does nothing any more, not even close its connections in order."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Context:
    """Of AWS Lambda's context, what a handler needs to know how long it has."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.monotonic()) * 1000))


def main() -> None:
    """The instance's own side: one request a line, one answer a line."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the handler may print
    module, _, name = sys.argv[1].partition(":")
    sys.path.insert(0, os.getcwd())
    handler = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": handler(request["event"], Context(request["timeout_s"]))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
