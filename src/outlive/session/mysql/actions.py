"""What the proxy is to do with a client's command."""

from typing import Final

FORWARD: Final = 0
"""Send it on a leased server connection (`session.packet` where it was rewritten) and relay the reply."""
ANSWER: Final = 1
"""`session.answer` is the reply; no server is needed."""
SILENT: Final = 2
"""Nothing to send and nothing to answer."""
STREAM: Final = 3
"""Send it on a leased server connection; it has no reply (COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE of what is held)."""
QUIT: Final = 4
KILL: Final = 5
"""`session.kill` says whom."""
CHANGE_USER: Final = 6
RESET: Final = 7
"""Clean the held server connection, if any; `session.answer` is the reply."""
RELAY: Final = 8
"""FORWARD in the common case: a plain statement, which goes as it is to a connection with the session's settings."""
