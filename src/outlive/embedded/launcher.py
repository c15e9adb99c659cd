"""Starts one program that ends when its parent does: as another user if told so, and then in place of this script.

Run as a script by processes.py, with the standard library only: PARENT-PID SIGNAL UID GID PROGRAM ARGUMENT...
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """`UID` below 0: the user stays. Never returns: the program takes over, or SystemExit says why not."""
    parent, number, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        except OSError as error:
            sys.exit(f"cannot change to user {uid}: {error.strerror}")
    # After the change of user, which clears it (prctl(2)).
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # Who ended before that call sends no signal any more.
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
