"""The embedded PostgreSQL server."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from outlive.embedded.account import server_account
from outlive.embedded.data import DATABASE, SUPERUSER, USER, DataFolder
from outlive.embedded.errors import EmbeddedError
from outlive.embedded.log_file import LogFile
from outlive.embedded.occupancy import Occupancy
from outlive.embedded.processes import ServerProcess, data_argument
from outlive.embedded.programs import programs

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 120.0  # after a crash, its write-ahead log is replayed first
PREDECESSOR_TIMEOUT_S = 30.0  # how long the server of a killed Outlive may take to end
PORT_ATTEMPTS = 5  # a port that was free a moment ago may be taken now
# pg_ctl's ways to stop, one after the other: fast (a checkpoint is written), immediate (none is), and by force.
_STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

_log = logging.getLogger("outlive.embedded")


def default_folder() -> Path:
    """`outlive` in the user's data folder: `$XDG_DATA_HOME`, else `~/.local/share` (XDG Base Directory; a relative
    path in the variable counts as none). EmbeddedError without a home.
    """
    named = os.environ.get("XDG_DATA_HOME", "")
    try:
        base = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "share"
    except RuntimeError:
        raise EmbeddedError("There is no home folder for the embedded database: name a folder.") from None
    return base / "outlive"


class EmbeddedPostgres:
    """A PostgreSQL 18 that keeps its data in `folder` (`default_folder()` by default), ready when constructed.

    It listens on `host`, on a free port unless one is given, and asks for SCRAM: `user` owns `database`, `superuser`
    may do everything, and their passwords are generated and kept in `password_file` and `superuser_password_file`
    (mode 0600). As root it runs as the user `outlive` if there is one, else `nobody`. `settings` are PostgreSQL's own,
    for this run. In a network `namespace` it is reached from outside by a unix socket in `socket_folder`. When it has
    ended by itself, `on_failure` is called, on another thread.

    It ends with `close`; when this process ends without, whatever the way, the kernel tells the server to shut down.
    A folder serves one Outlive at a time. EmbeddedError says what is wrong.
    """

    user = USER
    database = DATABASE
    superuser = SUPERUSER

    def __init__(
        self,
        folder: Path | None = None,
        *,
        max_connections: int = 100,
        host: str = LOOPBACK,
        port: int | None = None,
        namespace: str | None = None,
        settings: Mapping[str, object] | None = None,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        self.folder = (folder or default_folder()).absolute()
        self.host = host
        self.port = port or 0
        self._any_port = port is None
        self._namespace = namespace
        self._on_failure = on_failure
        self._settings = {"max_connections": max_connections, **(settings or {})}
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
                f"The embedded database cannot use {self.folder}: {error.strerror or error}"
                + (f" ({error.filename})" if error.filename else "")
                + ". Name another folder, or change the rights of this one."
            ) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._occupancy = Occupancy(self.folder, wait_s=PREDECESSOR_TIMEOUT_S)
        self._account = server_account()
        self._programs = programs(self._account)
        self._data = DataFolder(self.folder, self._programs, self._account, self._occupancy.server_lock)
        self._log_file = LogFile(self.log_path)
        for attempt in range(PORT_ATTEMPTS):
            if self._start(last=attempt == PORT_ATTEMPTS - 1):
                return

    def _start(self, *, last: bool) -> bool:
        """False when the port was taken meanwhile."""
        assert self._occupancy is not None
        if self._any_port:
            self.port = free_port(self.host)
        self._process = ServerProcess(
            self._command(),
            self._on_line,
            folder=self._data.path,
            account=self._account,
            server_lock=self._occupancy.server_lock,
            namespace=self._namespace,
        )
        threading.Thread(target=self._watch, args=(self._process,), name="embedded-watch", daemon=True).start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise EmbeddedError(f"PostgreSQL was not ready in {START_TIMEOUT_S:.0f} s; see {self.log_path}.")
        if not self._process.ended.is_set():
            return True
        self._ready.clear()
        if last or not self._any_port or "could not create any TCP/IP sockets" not in self._process.summary:
            raise EmbeddedError(f"PostgreSQL did not start: {self._process.summary}. See {self.log_path}.")
        return False

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": self.host,
            "port": self.port,
            # The data folder, where only the server's user and root can go.
            "unix_socket_directories": "" if self._namespace is None else ".",
            "logging_collector": "off",
            "log_destination": "stderr",
            **self._settings,
        }
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", data_argument(self._data.path, self._account), *arguments]

    def _on_line(self, line: str) -> None:
        if self._log_file is not None:
            self._log_file.write(line)
        if "database system is ready to accept connections" in line:
            self._ready.set()

    def _watch(self, process: ServerProcess) -> None:
        process.ended.wait()
        if self._ready.is_set() and not self._closing:
            _log.error("the embedded PostgreSQL has ended: %s", process.summary)
            if self._on_failure is not None:
                self._on_failure()
        self._ready.set()  # nobody waits for what has ended

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self.folder / "postgresql.log"

    @property
    def socket_folder(self) -> Path:
        """Where its unix socket is."""
        return self._data.path

    @property
    def password_file(self) -> Path:
        """The file with the password of `user`."""
        return self._data.password_file(USER)

    @property
    def superuser_password_file(self) -> Path:
        """The file with the password of `superuser`."""
        return self._data.password_file(SUPERUSER)

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self._process is not None and not self._process.ended.is_set()

    def url(self, **options: object) -> str:
        """Its URL for Outlive, with the password by reference; `options` are added to the query."""
        query = urlencode({"password_file": self.password_file, **options}, quote_via=quote, safe="/")
        return f"postgresql://{USER}@{self.host}:{self.port}/{DATABASE}?{query}"

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

    def __enter__(self) -> "EmbeddedPostgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.folder)!r}, port={self.port})"


def free_port(host: str) -> int:
    """One that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
