"""The embedded Valkey server."""

import hashlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from outlive.embedded.account import server_account
from outlive.embedded.data import write_password
from outlive.embedded.errors import EmbeddedError
from outlive.embedded.log_file import LogFile
from outlive.embedded.occupancy import Occupancy
from outlive.embedded.postgres import (
    LOOPBACK,
    PORT_ATTEMPTS,
    PREDECESSOR_TIMEOUT_S,
    START_TIMEOUT_S,
    default_folder,
    free_port,
)
from outlive.embedded.processes import ServerProcess
from outlive.embedded.programs import valkey_server

USER = "default"
# In order (the append-only file is synced), and by force, which loses nothing either that a client was answered.
_STOP = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))

_log = logging.getLogger("outlive.embedded")


class EmbeddedValkey:
    """A Valkey 9 that keeps its data in `folder` / valkey, in an append-only file; ready when constructed.

    It listens on the loopback, on a free port, and asks for the password of the user `default`, which is generated and
    kept in `password_file` (mode 0600). All else is as with `EmbeddedPostgres`: the account as root, its end with
    `close` or with this process, `on_failure`, one Outlive at a time. EmbeddedError says what is wrong.
    """

    user = USER

    def __init__(self, folder: Path | None = None, *, on_failure: Callable[[], None] | None = None) -> None:
        self.folder = (folder or default_folder()).absolute()
        self.host = LOOPBACK
        self.port = 0
        self._on_failure = on_failure
        self._ready = threading.Event()
        self._closing = False
        self._occupancy: Occupancy | None = None
        self._process: ServerProcess | None = None
        self._log_file: LogFile | None = None
        try:
            self._open()
        except OSError as error:
            self.close()
            raise EmbeddedError(
                f"The embedded Valkey cannot use {self.folder}: {error.strerror or error}"
                + (f" ({error.filename})" if error.filename else "")
                + ". Name another folder, or change the rights of this one."
            ) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        locks = self.folder / "valkey.locks"
        for folder in (self.folder, locks, self._data):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._occupancy = Occupancy(locks, wait_s=PREDECESSOR_TIMEOUT_S, name="Valkey")
        self._account = server_account()
        self._program = valkey_server(self._account)
        self._own()
        if not self.password_file.exists():
            write_password(self.password_file)
        self._log_file = LogFile(self.log_path)
        for attempt in range(PORT_ATTEMPTS):
            if self._start(last=attempt == PORT_ATTEMPTS - 1):
                return

    def _own(self) -> None:
        account = self._account
        if account is None or self._data.stat().st_uid == account.uid:
            return
        for parent, folders, files in os.walk(self._data):
            for name in (".", *folders, *files):
                os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)

    def _start(self, *, last: bool) -> bool:
        """False when the port was taken meanwhile."""
        assert self._occupancy is not None
        self.port = free_port(self.host)
        self._ready.clear()
        process = self._process = ServerProcess(
            self._command(),
            self._on_line,
            folder=self._data,
            account=self._account,
            server_lock=self._occupancy.server_lock,
            name="Valkey",
        )
        threading.Thread(target=self._watch, args=(process,), name="embedded-valkey-end", daemon=True).start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise EmbeddedError(f"Valkey was not ready in {START_TIMEOUT_S:.0f} s. See {self.log_path}.")
        if not process.ended.is_set():
            return True
        if last or "Address already in use" not in process.summary:
            raise EmbeddedError(f"Valkey does not start: {process.summary}. See {self.log_path}.")
        return False

    def _command(self) -> list[str]:
        # Of the password only the hash: arguments can be read by all. It has 192 bits, which no hash gives away.
        digest = hashlib.sha256(self.password_file.read_text().strip().encode()).hexdigest()
        options = {
            "bind": self.host,
            "port": self.port,
            "user": f"{USER} on #{digest} ~* &* +@all",
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
            "logfile": "",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", *(str(value).split() or [""]))]
        return [str(self._program), *arguments]

    def _on_line(self, line: str) -> None:
        if self._log_file is not None:
            self._log_file.write(line)
        if "Ready to accept connections" in line:
            self._ready.set()

    def _watch(self, process: ServerProcess) -> None:
        process.ended.wait()
        if self._ready.is_set() and not self._closing:
            _log.error("the embedded Valkey has ended: %s", process.summary)
            if self._on_failure is not None:
                self._on_failure()
        self._ready.set()  # nobody waits for what has ended

    @property
    def _data(self) -> Path:
        """The working folder of the server."""
        return self.folder / "valkey"

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self.folder / "valkey.log"

    @property
    def password_file(self) -> Path:
        """The file with the password."""
        return self.folder / "valkey.password"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self._process is not None and not self._process.ended.is_set()

    def url(self, **options: object) -> str:
        """Its URL for Outlive, with the password by reference; `options` are added to the query."""
        query = urlencode({"password_file": self.password_file, **options}, quote_via=quote, safe="/")
        return f"redis://{USER}@{self.host}:{self.port}/0?{query}"

    def close(self) -> None:
        """Shut it down in order, and by force when that takes too long. Idempotent."""
        self._closing = True
        if self._process is not None:
            self._process.stop(_STOP)
        if self._log_file is not None:
            self._log_file.close()
            self._log_file = None
        if self._occupancy is not None:
            self._occupancy.release()
            self._occupancy = None

    def __enter__(self) -> "EmbeddedValkey":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedValkey({str(self.folder)!r}, port={self.port})"
