"""MariaDB 10.11, Debian's package."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .database import DATABASES, ED25519, DatabaseServer, grants
from .processes import program, run


class MariaDB(DatabaseServer):
    """`MariaDB(max_connections=30, performance_schema="ON")`; see DatabaseServer."""

    flavour = "mariadb"

    @classmethod
    def _program(cls) -> list[str]:
        return [program("mariadbd", "mariadb-server")]

    @classmethod
    def _fixed_options(cls) -> Mapping[str, object]:
        return {
            **({"user": "root"} if os.geteuid() == 0 else {}),
            "innodb_log_file_size": "16M",
            "innodb_buffer_pool_size": "64M",
            # Nothing here has to survive a power cut; a write to the disk at each commit would hide what is measured.
            "innodb_flush_log_at_trx_commit": 0,
            "max_allowed_packet": "256M",
            "local_infile": 1,
            "character_set_server": "utf8mb4",
            "plugin_load_add": "auth_ed25519",
            # A test machine's name server is nobody's business, and slow.
            "skip_name_resolve": True,
        }

    @classmethod
    def _install(cls, data: Path) -> None:
        user = ["--user=root"] if os.geteuid() == 0 else []
        run(
            [
                program("mariadb-install-db", "mariadb-server"),
                "--no-defaults",
                f"--datadir={data}",
                *user,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ]
        )

    @classmethod
    def _statements(cls) -> Sequence[str]:
        return [
            "DELETE FROM mysql.global_priv WHERE User = ''",
            "FLUSH PRIVILEGES",
            *grants(root="IDENTIFIED BY ''", by="IDENTIFIED BY '{}'"),
            f"CREATE USER '{ED25519.user}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{ED25519.password}')",
            *[f"GRANT ALL ON {name}.* TO '{ED25519.user}'@'%'" for name in DATABASES],
        ]
