"""The data folder: made at the first start, found again at every other."""

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from outlive.embedded.account import Account
from outlive.embedded.errors import EmbeddedError
from outlive.embedded.occupancy import remove_remains
from outlive.embedded.processes import data_argument, run

USER = "app"
DATABASE = "app"
SUPERUSER = "postgres"
MAJOR_VERSION = 18

_HBA = """\
# Written by Outlive when it made this folder. From where it can be reached at all is for listen_addresses to say.
# TYPE  DATABASE  USER  ADDRESS  METHOD
local   all       all            scram-sha-256
host    all       all   all      scram-sha-256
"""
_INITDB = (
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    # The same order of texts on every machine, whatever its C library.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    # pg_hba.conf is replaced before the first start.
    "--auth=reject",
    "--no-instructions",
)


class DataFolder:
    """`folder` with the server's data in `postgresql` and the passwords beside it, complete when constructed."""

    def __init__(self, folder: Path, programs: Path, account: Account | None, server_lock: int) -> None:
        self.path = folder / "postgresql"
        self._folder = folder
        self._programs = programs
        self._account = account
        self._server_lock = server_lock
        if self.path.exists():
            remove_remains(self.path)
            self._check_version()
            self._own(self.path)
            self._renew_lost_passwords()
        else:
            self._make()

    def password_file(self, user: str) -> Path:
        """The file, of mode 0600, with the password of `user`."""
        return self._folder / f"{user}.password"

    def _make(self) -> None:
        """Complete under another name first: a start that is cut short leaves nothing that looks like data."""
        part = self._folder / "postgresql.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        self._own(part)
        self._run("initdb", part, [*_INITDB, "-D", data_argument(part, self._account)])
        (part / "pg_hba.conf").write_text(_HBA)
        passwords = {user: write_password(self.password_file(user)) for user in (SUPERUSER, USER)}
        self._execute(
            part,
            f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords[SUPERUSER]}'",
            f"CREATE ROLE {USER} LOGIN PASSWORD '{passwords[USER]}'",
            f"CREATE DATABASE {DATABASE} OWNER {USER}",
        )
        part.rename(self.path)
        _sync_folder(self._folder)

    def _check_version(self) -> None:
        try:
            found = (self.path / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedError(f"{self.path} is not a data folder of PostgreSQL: name another folder.") from None
        if found != str(MAJOR_VERSION):
            raise EmbeddedError(
                f"The data in {self.path} are PostgreSQL {found}'s, and this Outlive embeds {MAJOR_VERSION}: "
                "name another folder, and copy the data with pg_dump."
            )

    def _renew_lost_passwords(self) -> None:
        for user in (SUPERUSER, USER):
            file = self.password_file(user)
            if not file.exists():
                new = file.with_suffix(".new")
                self._execute(self.path, f"ALTER ROLE {user} PASSWORD '{write_password(new)}'")
                new.rename(file)

    def _own(self, data: Path) -> None:
        """The server takes its data only from the user that it runs as."""
        account = self._account
        if account is None or data.stat().st_uid == account.uid:
            return
        for parent, folders, files in os.walk(data):
            for name in (".", *folders, *files):
                os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)

    def _execute(self, data: Path, *statements: str) -> None:
        """Run statements without a server: nobody else can be connected. They hold passwords, so they are given on
        the standard input, and no message quotes them.
        """
        options = ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
        arguments = ["--single", "-D", data_argument(data, self._account), *options, "postgres"]
        self._run("postgres", data, arguments, "".join(f"{statement}\n" for statement in statements))

    def _run(self, name: str, data: Path, arguments: Sequence[str], given: str = "") -> None:
        command = [str(self._programs / name), *arguments]
        run(command, folder=data, account=self._account, server_lock=self._server_lock, given=given)


def write_password(path: Path) -> str:
    """A new password of 192 bits, in a file that only its owner reads and that survives a power cut."""
    password = secrets.token_urlsafe(24)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{password}\n")
        file.flush()
        os.fsync(descriptor)
    return password


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
