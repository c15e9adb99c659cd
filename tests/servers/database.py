"""What the MySQL and MariaDB servers of the tests have in common."""

import contextlib
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pymysql
from pymysql.connections import Connection

from .certificates import Certificates
from .processes import Process, ServerError, cache_folder, eventually, free_port, locked, own_folder, run


@dataclass(frozen=True, slots=True)
class Account:
    """A user that every test server has. Its password is for tests and is no secret."""

    user: str
    password: str


ROOT = Account("root", "")
APP = Account("app", "app-secret")
APP2 = Account("app2", "app2-secret")
TLS_ONLY = Account("secure", "secure-secret")
NO_PASSWORD = Account("open", "")
ED25519 = Account("ed", "ed-secret")  # MariaDB only

DATABASES = ("test", "other")


def connect(account: Account, **options: Any) -> "Connection[Any]":
    """A PyMySQL connection to `test`, with autocommit unless `options` say otherwise."""
    login = {"user": account.user, "password": account.password, "database": "test"}
    return pymysql.connect(**{**login, "autocommit": True, "connect_timeout": 10, **options})


class DatabaseServer:
    """A server on a free loopback port with a data folder of its own, ready when the constructor returns.

    `options` go to the server as `--name=value` (underscores become dashes; True means the bare option). `namespace`
    is a network namespace to run in: then it is reached from outside only by its unix `socket`.
    Accounts: `root` (no password), `app`, `app2`, `open` (no password), `secure` (TLS only), on MariaDB also `ed`
    (ed25519); databases `test` and `other`.
    """

    flavour = ""

    def __init__(
        self,
        *,
        max_connections: int = 200,
        tls: bool = True,
        port: int | None = None,
        host: str = "127.0.0.1",
        namespace: str | None = None,
        **options: object,
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.namespace = namespace
        self.certificates = Certificates.shared()
        self.folder = own_folder(self.flavour)
        self.data = self.folder / "data"
        self.socket = self.folder / "s.sock"
        self.process: Process | None = None
        self._options: dict[str, object] = {"max_connections": max_connections, **options}
        if tls:
            self._options = {
                "ssl_ca": self.certificates.ca,
                "ssl_cert": self.certificates.server_cert,
                "ssl_key": self.certificates.server_key,
                **self._options,
            }
        # Sparse files stay sparse, and file systems that can share blocks do.
        run(["cp", "-a", "--reflink=auto", "--sparse=always", str(self.prepare()), str(self.data)])
        self.start()

    # What each flavour says of itself

    @classmethod
    def _program(cls) -> list[str]:
        raise NotImplementedError

    @classmethod
    def _fixed_options(cls) -> Mapping[str, object]:
        raise NotImplementedError

    @classmethod
    def _install(cls, data: Path) -> None:
        raise NotImplementedError

    @classmethod
    def _statements(cls) -> Sequence[str]:
        raise NotImplementedError

    @classmethod
    def prepare(cls) -> Path:
        """The path of a data folder with the accounts in it.

        It is made once a machine for each version of the server and of this recipe.
        """
        version = run([*cls._program(), "--no-defaults", "--version"])
        recipe = repr((version, sorted(map(str, cls._fixed_options().items())), cls._statements()))
        final = cache_folder() / f"{cls.flavour}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
        if final.exists():
            return final
        with locked(cache_folder() / f"{cls.flavour}.lock"):
            if not final.exists():
                for old in cache_folder().glob(f"{cls.flavour}-*"):
                    shutil.rmtree(old, ignore_errors=True)
                cls._make_template(final)
        return final

    @classmethod
    def _make_template(cls, final: Path) -> None:
        folder = own_folder(cls.flavour)
        data = folder / "data"
        cls._install(data)
        socket = folder / "s.sock"
        command = _command(
            cls._program(), {**cls._fixed_options(), "datadir": data, "socket": socket, "skip_networking": True}
        )
        with Process(command, name=cls.flavour, folder=folder) as process:
            process.wait_line("ready for connections", 120)
            with (
                pymysql.connect(unix_socket=str(socket), user="root", charset="utf8mb4") as root,
                root.cursor() as cursor,
            ):
                for statement in cls._statements():
                    cursor.execute(statement)
            process.stop(60)
            run(["cp", "-a", str(data), f"{final}.part"])
        Path(f"{final}.part").rename(final)

    # Life

    def start(self, **more_options: object) -> None:
        """Start it, again on the same port and data after `stop` or `kill`. `more_options` last for this start only."""
        if self.process is not None:
            self.process.close()
        # A server that starts removes the temporary tables it finds, those of another one among them.
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        options = {
            **self._fixed_options(),
            "datadir": self.data,
            "tmpdir": temporary,
            "socket": self.socket,
            "port": self.port,
            "bind_address": self.host,
            **self._options,
            **more_options,
        }
        self.process = Process(_command(self._program(), options), name=self.flavour, namespace=self.namespace)
        self.process.wait_line(r"ready for connections", 60)

    def stop(self) -> None:
        """Shut it down in order. The data stays: `start` starts it again."""
        assert self.process is not None
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, as by a power cut. The data stays."""
        assert self.process is not None
        self.process.kill()

    def restart(self, **more_options: object) -> None:
        self.stop()
        self.start(**more_options)

    def pause(self) -> None:
        assert self.process is not None
        self.process.pause()

    def resume(self) -> None:
        assert self.process is not None
        self.process.resume()

    @property
    def log(self) -> str:
        return self.process.log if self.process is not None else ""

    def close(self) -> None:
        """Kill it and remove its data."""
        if self.process is not None:
            self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "DatabaseServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Use

    def connect(self, account: Account = ROOT, **options: Any) -> "Connection[Any]":
        """A PyMySQL connection straight to the server. In a namespace it goes by the unix socket."""
        where: dict[str, Any] = (
            {"unix_socket": str(self.socket)} if self.namespace else {"host": self.host, "port": self.port}
        )
        return connect(account, **{**where, **options})

    def query(self, statement: str, *parameters: object) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as root on a connection of its own; returns the rows (empty when it has none)."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return tuple(cursor.fetchall())

    def url(
        self, account: Account = APP, *, database: str = "test", host: str | None = None, **parameters: object
    ) -> str:
        """`mysql://user:password@host:port/database?parameters` for Outlive."""
        who = quote(account.user) + (f":{quote(account.password)}" if account.password else "")
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"mysql://{who}@{host or self.host}:{self.port}/{database}{query}"

    def connection_ids(self, user: str | None = None) -> list[int]:
        """Ids of the clients' connections as the server sees them (those of `user` only), without the one that asks."""
        rows = self.query(
            "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN "
            "('system user', 'event_scheduler', 'unauthenticated user') AND (%s IS NULL OR user = %s)",
            user,
            user,
        )
        return [int(row[0]) for row in rows]

    def kill_connections(self, user: str) -> None:
        """KILL of every connection of `user`. It returns before they end: see `OutliveProcess.wait_ends`."""
        for number in self.connection_ids(user):
            with contextlib.suppress(pymysql.err.OperationalError):  # 1094: it has ended meanwhile
                self.query(f"KILL {number}")

    def wait_end(self, number: int) -> None:
        """Returns when a connection that was closed has ended here too, and its locks are free."""
        listed = f"SELECT 1 FROM information_schema.processlist WHERE id = {number}"
        eventually(lambda: not self.query(listed))

    def wait_gone(self, user: str | None = None) -> None:
        """Returns when it lists no connection of `user` (of anybody): it does for a while after an end."""
        eventually(lambda: not self.connection_ids(user))

    def status(self, name: str) -> int:
        """A numeric status variable, for example `Threads_connected`, `Aborted_clients`, `Com_select`."""
        rows = self.query("SHOW GLOBAL STATUS LIKE %s", name)
        if not rows:
            raise ServerError(f"{self.flavour} has no status variable {name}")
        return int(rows[0][1])


def _command(program: list[str], options: Mapping[str, object]) -> list[str]:
    arguments = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        arguments.append(option if value is True else f"{option}={value}")
    return [*program, "--no-defaults", *arguments]


def grants(*, root: str, by: str) -> list[str]:
    """The statements that make the accounts; `by` is a format of the clause that sets a password, `root` the
    clause for root.
    """
    statements = [f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4" for name in DATABASES]
    statements += [f"CREATE USER IF NOT EXISTS 'root'@'%' {root}", "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION"]
    for account in (APP, APP2, TLS_ONLY, NO_PASSWORD):
        clause = by.format(account.password) + (" REQUIRE SSL" if account is TLS_ONLY else "")
        statements.append(f"CREATE USER '{account.user}'@'%' {clause}")
        statements += [f"GRANT ALL ON {name}.* TO '{account.user}'@'%'" for name in DATABASES]
    return statements
