"""Secrets by reference: read afresh at each use, never shown.

Passwords rotate and cloud tokens live 15 minutes, so a secret is a place to read from and not a value to keep.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Mapping
from typing import Final, Literal

Source = Literal["literal", "env", "file", "command"]

MAX_SECRET_BYTES: Final = 64 * 1024  # cloud tokens are 2 KiB at most; more is a wrong file, and must not fill memory
COMMAND_TIMEOUT_S: Final = 5.0  # a token helper answers within a second; a dial must not wait for one that hangs


class SecretError(Exception):
    """A secret cannot be read; one sentence that names its source and never its value."""


class Secret:
    """Where a secret is read from. Immutable, compared by source and reference; `repr` hides a literal."""

    __slots__ = ("_reference", "source")

    source: Source
    _reference: str

    def __init__(self, source: Source, reference: str) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_reference", reference)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Secret is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Secret is immutable")

    def __repr__(self) -> str:
        return f"Secret({self.describe()})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self.source == other.source and self._reference == other._reference

    def __hash__(self) -> int:
        return hash((self.source, self._reference))

    def __reduce__(self) -> tuple[object, ...]:
        # A pickle or a copy of a literal would be a second place where the secret can leak from.
        raise TypeError("a Secret cannot be pickled")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    @property
    def blocks(self) -> bool:
        """Whether `read` may take long (a command runs, up to COMMAND_TIMEOUT_S): keep it off the event loop."""
        return self.source == "command"

    def describe(self) -> str:
        """The source in words, without the value of a literal and without a command's arguments."""
        if self.source == "literal":
            return "a literal"
        if self.source == "env":
            return f"environment variable {self._reference}"
        if self.source == "file":
            return f"file {self._reference}"
        return f"command {_program(self._reference)}"

    def read(self) -> bytes:
        """The secret as it is now.

        One trailing newline of a file or a command is dropped, as editors and `echo` add it. Raises SecretError.
        """
        if self.source == "literal":
            return _encode(self._reference)
        if self.source == "env":
            return _from_environment(self._reference, os.environ)
        if self.source == "file":
            return _from_file(self._reference)
        return _from_command(self._reference)

    def missing(self) -> str | None:
        """Why `read` would fail now, as a sentence, or None; a command is looked for, not run."""
        if self.source == "command":
            return _command_missing(self._reference)
        try:
            self.read()
        except SecretError as error:
            return str(error)
        return None


EMPTY: Final = Secret("literal", "")


def _encode(text: str) -> bytes:
    # What os.environ and argv could not decode comes back as the bytes it was.
    return text.encode("utf-8", "surrogateescape")


def _from_environment(name: str, environ: Mapping[str, str]) -> bytes:
    value = environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise SecretError(f"The environment variable {name} {state}.")
    return _encode(value)


def _from_file(path: str) -> bytes:
    try:
        # A pipe would hang the dial, and could be read once only.
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretError(f"{path} is not a regular file.")
            value = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise SecretError(f"The file {path} cannot be read: {error.strerror or 'unknown error'}.") from None
    except ValueError:
        raise SecretError("The name of a secret's file contains a NUL character.") from None
    return _trimmed(value, f"The file {path}")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _from_command(command: str) -> bytes:
    name = f"The command {_program(command)}"
    try:
        # No shell: what stands in a configuration is a program with its arguments, not a script.
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # its words may quote the secret
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SecretError(f"{name} did not end within {COMMAND_TIMEOUT_S:g} s.") from None
    except (OSError, ValueError, IndexError):
        raise SecretError(f"{name} cannot be started.") from None
    if done.returncode:
        raise SecretError(f"{name} failed with exit status {done.returncode}.")
    return _trimmed(done.stdout, name)


def _trimmed(value: bytes, origin: str) -> bytes:
    if len(value) > MAX_SECRET_BYTES:
        raise SecretError(f"{origin} gives more than {MAX_SECRET_BYTES} bytes, too much for a password.")
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise SecretError(f"{origin} gives nothing.")
    return value


def _program(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    return words[0] if words else "(unreadable)"


def _command_missing(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return "The command of a secret has an unbalanced quote."
    if not words:
        return "The command of a secret is empty."
    if shutil.which(words[0]) is None:
        return f"The command {words[0]} is not there or not executable."
    return None
