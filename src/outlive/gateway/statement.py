"""What a caller asks for: SQL with its parameters, or the name of a statement of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Statement(NamedTuple):
    """SQL and its parameters: a sequence where they are positional, a mapping where they are named.

    `as_text`: where the protocol has prepared statements and plain text (MySQL), it is sent as text. `name`: without
    SQL, one of the configuration's statements.
    """

    sql: str
    parameters: Sequence[Any] | dict[str, Any] = ()
    as_text: bool = False
    name: str = ""
