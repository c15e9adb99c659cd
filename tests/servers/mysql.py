"""MySQL 9.7: the server package of Debian unstable, unpacked into the cache folder and run with the libraries that
came with it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import debian
from .database import DatabaseServer, grants
from .processes import run

PACKAGE = "mysql-server-core"


class MySQL97(DatabaseServer):
    """`MySQL97(max_connections=30)`; every account uses caching_sha2_password. See DatabaseServer."""

    flavour = "mysql"

    @classmethod
    def _program(cls) -> list[str]:
        return debian.command(unpacked(), "usr/sbin/mysqld")

    @classmethod
    def _fixed_options(cls) -> Mapping[str, object]:
        root = unpacked()
        return {
            **({"user": "root"} if os.geteuid() == 0 else {}),
            "basedir": root / "usr",
            "plugin_dir": root / "usr/lib/mysql/plugin",
            "lc_messages_dir": root / "usr/share/mysql",
            "innodb_redo_log_capacity": "16M",
            "innodb_buffer_pool_size": "64M",
            "innodb_flush_log_at_trx_commit": 0,
            "skip_log_bin": True,
            "max_allowed_packet": "256M",
            "local_infile": 1,
            "mysqlx": "OFF",
            "secure_file_priv": "NULL",
            "skip_name_resolve": True,
        }

    @classmethod
    def _install(cls, data: Path) -> None:
        options = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
            for name, value in cls._fixed_options().items()
        ]
        run([*cls._program(), "--no-defaults", "--initialize-insecure", f"--datadir={data}", *options])

    @classmethod
    def _statements(cls) -> Sequence[str]:
        return grants(
            root="IDENTIFIED WITH caching_sha2_password BY ''", by="IDENTIFIED WITH caching_sha2_password BY '{}'"
        )


def unpacked() -> Path:
    """The folder with the unpacked packages, fetched at the first call on a machine (60 MB).

    ServerError where Debian's apt-get is not.
    """
    return debian.unpacked("mysql97", PACKAGE, "unstable")
