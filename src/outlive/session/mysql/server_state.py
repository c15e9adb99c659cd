"""What is known about the session of one server connection."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from outlive.session.mysql.settings import EMPTY, SCHEMA, Settings, updated
from outlive.wire.mysql.constants import COM_STMT_CLOSE

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.session.mysql.prepared import ClientStatement, Statement

RESIDUE_DIAGNOSTICS: Final = 1
"""Warnings or an error of the owner's last statement; captured by SHOW WARNINGS before another client's use."""
RESIDUE_INSERT_ID: Final = 2
"""The owner's LAST_INSERT_ID() may differ from the OK's insert id: an INSERT of an explicit value reports that value
and leaves LAST_INSERT_ID() as it was."""
RESIDUE_CHARACTERISTICS: Final = 4
"""A SET TRANSACTION waits for the next transaction; a bare ROLLBACK takes it away (measured on both servers)."""

RESIDUE_UNREPORTED: Final = 8
"""Stored code may have changed what no report tells: gone, with its role, before another client's use."""
RESIDUE_CAPTURED: Final = 16
"""Warnings that were captured, or that nobody can ask for any more, and that a MariaDB would show the next client."""
RESIDUE_UNKNOWN_ID: Final = 32
"""Whose LAST_INSERT_ID() it is has gone: before another client's INSERT it is made 0, so as not to be taken for that
client's."""

RESIDUE_OF_OWNER: Final = RESIDUE_DIAGNOSTICS | RESIDUE_INSERT_ID
"""What is captured for the owner before anything takes it away."""
ROLE_UNKNOWN: Final = b"?"
"""In place of a SET ROLE: stored code changed the session, and may have changed its role, which no reset takes back."""

_STMT_CLOSE: Final = b"\x05\x00\x00\x00" + bytes((COM_STMT_CLOSE,))


class ServerStatement:
    """A statement as prepared on one server connection: its id there, and the parameter types bound to it.

    `types` are those bound last, `signature` all that ever were: MySQL derives the types of parameters from what is
    bound first and converts what is bound later (a text becomes 0, measured on 9.7), and MariaDB takes long data
    wrongly where a number was bound before. So one that was bound serves only executions with the same types.
    """

    __slots__ = ("id_bytes", "signature", "statement", "types")

    def __init__(self, statement: Statement, id_bytes: bytes) -> None:
        self.statement = statement
        self.id_bytes = id_bytes
        self.types: bytes | None = None
        self.signature: bytes | None = None

    def bind(self, types: bytes, signature: bytes) -> None:
        """An execution binds these."""
        self.types = types
        if self.signature != signature:
            self.signature = signature if self.signature is None else merged(self.signature, signature)


_NULL: Final = 6


def merged(first: bytes, second: bytes) -> bytes:
    """Two signatures (a byte a parameter) of which one may say NULL where the other knows a type; the second counts."""
    if len(first) != len(second):
        return second
    return bytes(old if new == _NULL else new for old, new in zip(first, second, strict=True))


def _fits(bound: bytes | None, wanted: bytes | None) -> bool:
    if bound is None or bound == wanted:
        return True
    if wanted is None or len(bound) != len(wanted):
        return False
    return all(a == b or _NULL in (a, b) for a, b in zip(bound, wanted, strict=True))


class ServerState:
    """One server connection's session, kept up to date by the client sessions that use it in turn.

    `owner` is the client session that used it last; `residue` what that one left which only it may see.
    `last_insert_id`: the value LAST_INSERT_ID() has there, None where unknown.
    """

    __slots__ = (
        "_variants",
        "characteristics",
        "last_insert_id",
        "owner",
        "prepared",
        "prepared_max",
        "private",
        "residue",
        "role",
        "settings",
        "unwanted",
    )

    def __init__(self, prepared_max: int) -> None:
        self.prepared_max = prepared_max
        self.role: bytes | None = None
        """The text of the last SET ROLE; COM_RESET_CONNECTION keeps the role (both servers, measured)."""
        self.settings = EMPTY
        self.prepared: OrderedDict[ServerStatement, None] = OrderedDict()
        """Least recently used first."""
        self._variants: dict[Statement, list[ServerStatement]] = {}
        """The same by statement: one for each combination of types in use, and at most one that was never bound."""
        self.private: dict[ClientStatement, ServerStatement] = {}
        """Those with an open cursor or long data: no other handle of the same text may touch them."""
        self.reset(EMPTY)

    def logged_in(self) -> None:
        """A login or a change of user succeeded: no schema is selected."""
        self.settings = EMPTY

    def reset(self, settings: Settings) -> None:
        """After a login, a change of user or COM_RESET_CONNECTION, which keeps the schema (both servers, measured)."""
        schema = self.settings.values.get(SCHEMA, b"")
        self.settings = updated(settings, ((SCHEMA, schema),), {})
        self.prepared.clear()
        self._variants.clear()
        self.private.clear()
        self.unwanted: list[bytes] = []
        """Ids of statements to close: COM_STMT_CLOSE has no answer, so it goes with the next write."""
        self.owner: ClientSession | None = None
        self.residue = 0
        self.characteristics = b""
        self.last_insert_id: int | None = 0

    def enter_schema(self, schema: bytes, baseline: Mapping[bytes, bytes]) -> None:
        """COM_INIT_DB succeeded."""
        self.settings = updated(self.settings, ((SCHEMA, schema),), baseline)

    def forget_owner(self) -> None:
        """The owner is gone, and with it whoever could ask for its warnings and ids."""
        self.owner = None
        if self.residue & RESIDUE_DIAGNOSTICS:
            self.residue |= RESIDUE_CAPTURED
        if self.residue & RESIDUE_INSERT_ID:
            self.residue |= RESIDUE_UNKNOWN_ID
        self.residue &= ~RESIDUE_OF_OWNER

    def add_prepared(self, statement: Statement, id_bytes: bytes) -> None:
        """A statement was prepared; beyond `prepared_max` the least recently used is to be closed.

        The server's own bound is over all connections: max_prepared_stmt_count, 16382 by default, error 1461.
        """
        for variant in self._variants.get(statement, ()):
            if variant.signature is None:
                self._remove(variant)
                self.unwanted.append(variant.id_bytes)
                break
        self._add(ServerStatement(statement, id_bytes))

    def _add(self, prepared: ServerStatement) -> None:
        self.prepared[prepared] = None
        self._variants.setdefault(prepared.statement, []).append(prepared)
        while len(self.prepared) > self.prepared_max:
            oldest = next(iter(self.prepared))
            self._remove(oldest)
            self.unwanted.append(oldest.id_bytes)

    def _remove(self, prepared: ServerStatement) -> None:
        del self.prepared[prepared]
        variants = self._variants[prepared.statement]
        variants.remove(prepared)
        if not variants:
            del self._variants[prepared.statement]

    def found(self, handle: ClientStatement) -> ServerStatement | None:
        """The statement as it is prepared here for the types of this handle; None where it is not."""
        if self.private and (private := self.private.get(handle)):
            return private
        fresh = None
        for variant in self._variants.get(handle.statement, ()):
            if variant.signature is None:
                fresh = variant
            elif _fits(variant.signature, handle.signature):
                self.prepared.move_to_end(variant)
                return variant
        return fresh

    def keep_for(self, handle: ClientStatement, prepared: ServerStatement) -> None:
        """From here on the statement holds what is only this handle's."""
        if handle not in self.private:
            self._remove(prepared)
            self.private[handle] = prepared

    def put_back(self, handle: ClientStatement) -> None:
        """It holds nothing any more: it is everybody's again."""
        kept = self.private.pop(handle, None)
        if kept is not None:
            self._add(kept)

    def close_prepared(self) -> None:
        """The server has too many: those that are only kept for the next who wants them go."""
        self.unwanted += [prepared.id_bytes for prepared in self.prepared]
        self.prepared.clear()
        self._variants.clear()

    def take_closes(self) -> bytes:
        """The COM_STMT_CLOSE packets that are due."""
        closes = b"".join(_STMT_CLOSE + id_bytes for id_bytes in self.unwanted)
        self.unwanted.clear()
        return closes

    def __repr__(self) -> str:
        return f"ServerState({self.settings!r}, prepared={len(self.prepared)}, residue={self.residue})"
