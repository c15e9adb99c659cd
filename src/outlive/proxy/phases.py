"""What a client after its login waits for."""

from typing import Final

READY: Final = 0  # for a command
WAITING: Final = 1  # in the queue for a lease
PREPARING: Final = 2  # Outlive's own steps before the command are unanswered
RELAYING: Final = 3  # the command is at the server, its reply is not complete
UPLOADING: Final = 4  # a command that is too large to be held is on its way to the server
INFILE: Final = 5  # the server waits for the client's file (LOAD DATA LOCAL)
ASKING: Final = 6  # Outlive's own steps after the reply are unanswered
BUSY: Final = 7  # a KILL or a reset of the client's own is under way
CLOSED: Final = 8
LEXING: Final = 9  # a long text is being read, in turns with those of other clients
BLOCKED: Final = 10  # the server is slow to take a command that has no answer

PHASE_NAMES: Final = (
    "ready",
    "waiting",
    "preparing",
    "relaying",
    "uploading",
    "infile",
    "asking",
    "busy",
    "closed",
    "lexing",
    "blocked",
)
