"""What a unit has done to the session, told by its texts, its tags and the status behind it.

Where those do not tell it for certain, the server is asked as soon as no transaction is open: which settings are in
force, and which of the reasons to hold the connection still hold. So nothing has to be guessed, and what a text may
have done costs one question instead of a connection kept for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from outlive.session.postgres.analysis import (
    ASKABLE,
    COMMIT,
    CUT,
    DEALLOCATE_ALL,
    DISCARD_ALL,
    FUNCTION,
    LOAD,
    REREAD_SETTINGS,
    RESET_ALL,
    ROLLBACK_TO,
    SAVEPOINT,
    SEED,
    SETTINGS,
    UNREADABLE,
    Analysis,
    Part,
)
from outlive.session.postgres.asking import question
from outlive.session.postgres.replay import EMPTY, Settings, intern, updated
from outlive.session.postgres.steps import ASK_HOLDS, Step, ask_step, settings_step
from outlive.session.postgres.virtual import is_virtual, kept, real_name
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import IDLE
from outlive.wire.postgres.reply import SIMPLE

if TYPE_CHECKING:
    from outlive.session.postgres.client_session import ClientSession
    from outlive.session.postgres.server_state import ServerState
    from outlive.wire.postgres.errors import ErrorFields
    from outlive.wire.postgres.reply import ReplyReader

_NO_STEPS: Final[tuple[Step, ...]] = ()
_COMMITTED: Final = b"COMMIT"
_NOT_RESET: Final = (b"role", b"session_authorization")
"""RESET ALL leaves these (GUC_NO_RESET_ALL)."""
SURVIVING: Final = LOAD | SEED | FUNCTION
"""What DISCARD ALL leaves: libraries, the seed of random(), connections of dblink."""
_SCANNER: Final = b"Rscanner_yyerror\0"
_NO_CHARACTER: Final = b"22021"
_INTERNAL_QUERY: Final = b"\0q"
_NOTHING_LOADED: Final = (b"42501", b"58P01")
"""insufficient_privilege, undefined_file."""
_UNKNOWN: Final = REREAD_SETTINGS | CUT | UNREADABLE


def settle(session: ClientSession, reader: ReplyReader, state: ServerState, kind: int) -> tuple[Step, ...]:
    """Takes note of the unit that has ended; returns the questions that must be answered before a release."""
    unit = session.unit
    failed = reader.error is not None
    done: list[Part] = []
    for ordinal, analysis in unit.executed:
        done += _seen(session, reader, kind, ordinal, analysis)
    _transaction(session, reader, done, failed)
    for part in done:
        _discard(session, state, part.discard, failed)
    if unit.deallocated is not None:
        _deallocate(session, reader, state, kind)
    _assign(session, state, done, failed)
    if session.status != IDLE:
        return _NO_STEPS
    session.portals.clear()
    _weigh(session)
    return _questions(session, state)


def _seen(session: ClientSession, reader: ReplyReader, kind: int, ordinal: int, analysis: Analysis) -> list[Part]:
    """The parts of a text that were run to their end. Holds count even of the part that failed: a lock that was
    taken before the error stays.
    """
    if reader.error is not None and kind != SIMPLE and ordinal > reader.failed_at:
        return []  # the server has skipped it
    run = kind != SIMPLE and ordinal < reader.failed_at  # whatever the error says, it is not about this one
    if reader.error is not None and not run and _is_refused(reader.error, analysis):
        return []
    holds = analysis.holds
    if holds & LOAD and not session.may_load and not any(part.verb == b"LOAD" for part in analysis.parts):
        holds &= ~LOAD  # what a block might have done
    session.held |= holds
    session.asks |= analysis.asks
    for name in analysis.rereads:
        _reread(session, real_name(name))
    if analysis.flags & _UNKNOWN:
        session.unsure = True
    parts = analysis.parts or (Part(analysis.verb, 0, 0, control=analysis.control),)
    if reader.error is None:
        return list(parts)
    return list(parts[: len(reader.tags)]) if kind == SIMPLE else list(parts if ordinal < reader.failed_at else ())


def _is_refused(error: ErrorFields, analysis: Analysis) -> bool:
    """Whether nothing of the text was run: the server could not read it, or had no right or no file to LOAD."""
    if analysis.flags & UNREADABLE and error.code == _NO_CHARACTER:
        return True
    if error.code in _NOTHING_LOADED and analysis.count == 1:
        return analysis.verb == b"LOAD"
    # Of a text inside that text, or inside a function, the error tells that one, too.
    return _SCANNER in error.raw and _INTERNAL_QUERY not in error.raw


def _transaction(session: ClientSession, reader: ReplyReader, done: Sequence[Part], failed: bool) -> None:
    """Whether a transaction ended with this unit, and how."""
    unit = session.unit
    for part in done:
        if part.control in (SAVEPOINT, ROLLBACK_TO):
            session.savepoints = True
    controls = [part for part in done if part.control]
    if unit.status == IDLE and not controls:
        if failed:  # what the unit did before its error is undone with it
            session.asks |= session.held
        return
    if session.status != IDLE and not any(part.chain for part in done):
        return
    committed = not failed and len(controls) == 1 and controls[0].control == COMMIT and _COMMITTED in reader.tags[-1:]
    if not committed or session.savepoints:
        session.asks |= session.held  # LISTEN, a temporary table, a cursor: undone with it
    if session.tentative and (session.savepoints or len(controls) > 1):
        session.unsure = True
    elif not committed:
        session.tentative.clear()
    session.savepoints = False


def _assign(session: ClientSession, state: ServerState, done: Sequence[Part], failed: bool) -> None:
    """SETs outside a transaction are in force at once; those inside it from its COMMIT on."""
    changes = _changes(session, done)
    for name, value in changes:
        _doubt(session, name, value)
    unit = session.unit
    controlled = any(part.control for part in done)
    if session.status == IDLE and unit.status == IDLE and not controlled:
        if failed and changes:
            return  # undone with the unit
        _apply(session, state, changes)
        return
    if changes and controlled and len(done) > 1:
        session.unsure = True  # which of them a COMMIT or ROLLBACK in between has caught is not told
        return
    if session.status == IDLE or any(part.chain for part in done):
        pending, session.tentative = session.tentative, []
        _apply(session, state, pending)
    else:
        session.tentative += changes


def _changes(session: ClientSession, done: Sequence[Part]) -> list[tuple[bytes, bytes | None]]:
    found: list[tuple[bytes, bytes | None]] = []
    for part in done:
        if part.discard == RESET_ALL:
            found = [change for change in found if change[0] in _NOT_RESET]
        for assignment in part.assignments:
            if not assignment.local:
                name, value = real_name(assignment.name), assignment.value
                if session.blanked is not None and not name.isascii():
                    session.held |= SETTINGS
                    continue
                found.append((name, value and kept(name, value)))
    return found


def _doubt(session: ClientSession, name: bytes, value: bytes | None) -> None:
    """Values that the server must tell: those in another encoding than UTF-8, and what is left of a custom setting
    that is reset (an empty text, unless a library has defined it).
    """
    if value is None:
        if b"." in name and name not in session.startup.values and not is_virtual(name):
            _reread(session, name)
    elif not value.isascii() and not session.speaks_utf8:
        session.unsure = True
        if b"." in name:
            _reread(session, name)


def _reread(session: ClientSession, name: bytes) -> None:
    """Its value must be read. Where names were blanked out, nobody knows of what."""
    if session.blanked is None or name.isascii():
        session.rereads.add(name)
    else:
        session.held |= SETTINGS


def _apply(session: ClientSession, state: ServerState, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
    if not changes:
        return
    state.settings = updated(state.settings, changes)
    session.settings = overlaid(session.startup, state.settings)


def overlaid(startup: Settings, settings: Settings) -> Settings:
    """What a client has whose connection has `settings`: a setting that was reset is as its startup had it."""
    if startup is EMPTY:
        return settings
    return intern({**startup.values, **settings.values})


def _discard(session: ClientSession, state: ServerState, discard: int, failed: bool) -> None:
    if not discard:
        return
    if discard == DEALLOCATE_ALL or (discard == DISCARD_ALL and failed):
        # Of a DISCARD ALL that an error behind it undoes, this part stays done.
        session.forget_names()
        state.forget_prepared()
    if discard == DEALLOCATE_ALL:
        return
    if failed or session.status != IDLE or session.unit.status != IDLE:
        session.unsure = True  # RESET ALL inside a transaction, or before an error, is tentative, too
        session.asks |= session.held
    elif discard == RESET_ALL:
        session.held &= ~SETTINGS
        kept = {name: value for name, value in state.settings.values.items() if name in _NOT_RESET}
        state.settings = intern({**kept, **_emptied(session)})
        session.settings = overlaid(session.startup, state.settings)
    elif discard == DISCARD_ALL:
        session.forget_names()
        session.held &= SURVIVING
        session.unsure = False
        session.rereads.clear()
        emptied = _emptied(session)
        state.reset()
        state.settings = intern(emptied)
        session.settings = overlaid(session.startup, state.settings)


def _deallocate(session: ClientSession, reader: ReplyReader, state: ServerState, kind: int) -> None:
    for ordinal, name, statement in session.unit.deallocated or ():
        if reader.error is None or ordinal < (len(reader.tags) if kind == SIMPLE else reader.failed_at):
            state.remove_prepared(statement)
            if session.names.get(name) is statement:
                session.forget_name(name)


def _emptied(session: ClientSession) -> dict[bytes, bytes]:
    """Custom settings that were reset along with all others: they are known on from here, and empty."""
    for name, value in session.settings.values.items():
        if value:
            _doubt(session, name, None)
    return {name: value for name, value in session.settings.values.items() if not value and b"." in name}


def _weigh(session: ClientSession) -> None:
    """Settings beyond the limit are not kept here: the connection keeps them, so the client keeps the connection."""
    if session.settings.size_bytes > session.limits.variables_bytes:
        session.held |= SETTINGS


def _questions(session: ClientSession, state: ServerState) -> tuple[Step, ...]:
    steps: list[Step] = []
    if session.unsure or session.rereads:
        custom = {name for name in session.rereads | session.settings.values.keys() if b"." in name}
        steps.append(settings_step(lambda values: _settings_read(session, state, values), custom))
    asked = session.asks & session.held & ASKABLE
    session.asks = 0
    if asked:
        steps.append(ask_step(question(asked), ASK_HOLDS, lambda rows: _holds_read(session, asked, rows)))
    return tuple(steps)


def _settings_read(session: ClientSession, state: ServerState, values: dict[bytes, bytes]) -> None:
    session.unsure = False
    session.rereads.clear()
    session.tentative.clear()
    state.settings = intern({name: kept(name, value) for name, value in values.items()})
    session.settings = overlaid(session.startup, state.settings)
    _weigh(session)


def _holds_read(session: ClientSession, asked: int, rows: list[tuple[bytes | None, ...]]) -> None:
    try:
        found = int(rows[0][0] or b"0") if rows and rows[0] else asked
    except ValueError as error:
        raise ProtocolError("what holds the connection is told in another form than was asked for") from error
    session.held = session.held & ~asked | found & asked
