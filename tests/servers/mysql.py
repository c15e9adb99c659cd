"""MySQL 9.7: the server package of Debian unstable, unpacked into the cache folder and run with the libraries that
came with it.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .database import DatabaseServer, grants
from .processes import ServerError, cache_folder, locked, own_folder, program, run

PACKAGE = "mysql-server-core"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class MySQL97(DatabaseServer):
    """`MySQL97(max_connections=30)`; every account uses caching_sha2_password. See DatabaseServer."""

    flavour = "mysql"

    @classmethod
    def _program(cls) -> list[str]:
        root = unpacked()
        libraries = root / "usr/lib/x86_64-linux-gnu"
        return [
            str(libraries / "ld-linux-x86-64.so.2"),
            "--library-path",
            str(libraries),
            str(root / "usr/sbin/mysqld"),
        ]

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
    root = cache_folder() / "mysql97"
    if root.exists():
        return root
    with locked(cache_folder() / "mysql97.lock"):
        if not root.exists():
            _fetch(root)
    return root


def _fetch(root: Path) -> None:
    apt_get = program("apt-get", "apt")
    folder = own_folder("apt")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # nothing counts as installed, so that every library is fetched too
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror(apt_get)} unstable main\n")
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        # No lock of the machine's own package manager is taken.
        "Debug::NoLocking": "true",
    }
    (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {"APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
    run([apt_get, "update"], environment=environment)
    run([apt_get, "install", "-y", "--download-only", PACKAGE], environment=environment, timeout_s=600)
    part = root.with_name(root.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(part)])
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(root)


def _mirror(apt_get: str) -> str:
    """The Debian mirror that this machine is set up with."""
    sites = run([apt_get, "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Component: main"]).split()
    for site in sites:
        if site.rstrip("/").endswith("/debian"):
            return site
    raise ServerError("no Debian mirror in this machine's apt sources: MySQL 9.7 comes from Debian unstable")
