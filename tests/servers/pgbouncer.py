"""PgBouncer 1.18, Debian 12's, and 1.26, Debian unstable's: the peer that Outlive is compared with. Both are unpacked
aside: the package would start one of its own on Outlive's port.
"""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from . import debian
from .database import APP, APP2, NO_PASSWORD, TLS_ONLY, Account
from .postgres import CLEAR, MD5, SUPERUSER, PostgresServer, as_server_user, give_away
from .processes import Process, free_port, own_folder

_ACCOUNTS = (SUPERUSER, APP, APP2, TLS_ONLY, CLEAR, MD5, NO_PASSWORD)


class PgBouncer:
    """A pooler before `server` on a free loopback port, ready when the constructor returns.

    Transaction pooling, SCRAM on both sides, `pool_size` server connections a database and user. `tls` offers TLS to
    clients. `options` go to `[pgbouncer]` as they are. Every account with a password of `server` logs in; the superuser
    is the administrator (`console`).
    """

    version = ""
    suite = ""

    def __init__(
        self,
        server: PostgresServer,
        *,
        pool_size: int = 20,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int | None = None,
        **options: object,
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.folder = own_folder("pgb")
        self.certificates = server.certificates
        self._options: dict[str, object] = {
            "listen_addr": host,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": self.folder / "users.txt",
            "admin_users": SUPERUSER.user,
            "pool_mode": "transaction",
            "default_pool_size": pool_size,
            # Whatever is to be measured or compared sets its own limit.
            "max_client_conn": 20_000,
            "ignore_startup_parameters": "extra_float_digits",
            "log_connections": 0,
            "log_disconnections": 0,
            **(self._tls() if tls else {}),
            **options,
        }
        self._write(server)
        give_away(self.folder)
        program = self.programs() / "pgbouncer"
        self.process = Process(
            as_server_user([str(program), str(self.folder / "pgbouncer.ini")]), name="pgbouncer", folder=self.folder
        )
        self.pid = self.process.pid
        self.process.wait_line("process up", 20)

    @classmethod
    def programs(cls) -> Path:
        """The folder of its programs."""
        return debian.programs(f"pgbouncer-{cls.version}", "pgbouncer", cls.suite, folder="usr/sbin")

    @classmethod
    def prepare(cls) -> Path:
        """Fetch it, once a machine."""
        return cls.programs()

    def _tls(self) -> dict[str, object]:
        copies = {}
        for name, path in {
            "client_tls_cert_file": self.certificates.server_cert,
            "client_tls_key_file": self.certificates.server_key,
        }.items():
            copies[name] = self.folder / path.name
            shutil.copy2(path, copies[name])
        return {"client_tls_sslmode": "allow", **copies}

    def _write(self, server: PostgresServer) -> None:
        users = "".join(f'"{account.user}" "{account.password}"\n' for account in _ACCOUNTS)
        (self.folder / "users.txt").write_text(users)
        settings = "".join(f"{name} = {value}\n" for name, value in self._options.items())
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\n{settings}"
        )

    @property
    def log(self) -> str:
        return self.process.log

    def connect(self, account: Account = APP, **options: Any) -> "psycopg.Connection[Any]":
        """A psycopg connection through it."""
        defaults: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": account.user,
            "password": account.password,
            "dbname": "test",
            "autocommit": True,
            "connect_timeout": 10,
            # PgBouncer before 1.21 loses a client's prepared statements between transactions.
            "prepare_threshold": None,
        }
        return psycopg.connect(**{**defaults, **options})

    def console(self, command: str) -> list[dict[str, Any]]:
        """The rows of a command of its administration console, for example `SHOW POOLS`."""
        with self.connect(SUPERUSER, dbname="pgbouncer", cursor_factory=psycopg.ClientCursor) as connection:
            cursor = connection.execute(command)  # type: ignore[call-overload]
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def url(self, account: Account = APP, *, database: str = "test") -> str:
        """`postgresql://user:password@host:port/database` for clients."""
        return f"postgresql://{account.user}:{quote(account.password)}@{self.host}:{self.port}/{database}"

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "PgBouncer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PgBouncer118(PgBouncer):
    """It has no prepared statements in transaction pooling."""

    version = "1.18"
    suite = "bookworm"


class PgBouncer126(PgBouncer):
    """With prepared statements in transaction pooling (`max_prepared_statements`, 200 by default)."""

    version = "1.26"
    suite = "unstable"
