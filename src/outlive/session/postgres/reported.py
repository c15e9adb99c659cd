"""What a server says of the settings that it reports by itself (ParameterStatus), as interned values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from weakref import WeakValueDictionary

from outlive.wire.postgres.messages import parameter_status

REPORTED_MAX: Final = 256
"""Far above the settings there are that are reported; a server that names more does not grow a session."""


class Reported:
    """An immutable, interned set of reported settings: equal ones are the same object."""

    __slots__ = ("__weakref__", "_last", "values")

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values: Mapping[bytes, bytes] = values
        self._last: tuple[Reported, bytes] | None = None

    def with_(self, name: bytes, value: bytes) -> Reported:
        """After one ParameterStatus more."""
        if self.values.get(name) == value or (name not in self.values and len(self.values) >= REPORTED_MAX):
            return self
        return intern_reported({**self.values, name: value})

    def messages(self) -> bytes:
        """ParameterStatus messages of all of it, as after a login."""
        return b"".join([parameter_status(name, value) for name, value in self.values.items()])

    def difference_to(self, other: Reported) -> bytes:
        """ParameterStatus messages that tell a client who knows this what is otherwise in `other`."""
        if other is self:
            return b""
        if self._last is not None and self._last[0] is other:
            return self._last[1]
        mine = self.values
        changed = [(name, value) for name, value in other.values.items() if mine.get(name) != value]
        found = b"".join([parameter_status(name, value) for name, value in changed])
        self._last = other, found  # clients come to the same few connections again and again
        return found

    def __repr__(self) -> str:
        return f"Reported({', '.join(name.decode('latin-1') for name in self.values)})"


_interned: WeakValueDictionary[frozenset[tuple[bytes, bytes]], Reported] = WeakValueDictionary()


def intern_reported(values: Mapping[bytes, bytes]) -> Reported:
    """The one `Reported` with these values."""
    identity = frozenset(values.items())
    found = _interned.get(identity)
    if found is None:
        found = _interned[identity] = Reported(dict(values))
    return found


NOTHING_REPORTED: Final = intern_reported({})
