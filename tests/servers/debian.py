"""Programs of other Debian suites than this machine's, unpacked aside with every library they need."""

import functools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .processes import ServerError, cache_folder, locked, own_folder, program, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A program finds its neighbours and its shared files from the name it was called by, hence --argv0.
_WRAPPER = """\
#!/bin/sh
root=${{0%/{folder}/*}}
exec "$root/{loader}" --library-path "{libraries}" --argv0 "$0" "$root/{folder}.unpacked/${{0##*/}}" "$@"
"""


def unpacked(name: str, package: str, suite: str) -> Path:
    """The folder `name` of the cache with `package` of `suite` and all that it depends on, fetched at the first call
    on a machine. ServerError where Debian's apt-get is not.
    """
    root = cache_folder() / name
    if root.exists():
        return root
    with locked(cache_folder() / f"{name}.lock"):
        if not root.exists():
            part = _fetch(root, package, suite)
            part.rename(root)
    return root


@functools.cache
def programs(name: str, package: str, suite: str, *, folder: str, needs: tuple[str, ...] = ()) -> Path:
    """A folder with the programs that `package` has in `folder`, ready to be run by every user; `needs` are folders
    that they need besides the libraries. Kept as `unpacked` does.
    """
    root = cache_folder() / name
    if not root.exists():
        with locked(cache_folder() / f"{name}.lock"):
            if not root.exists():
                part = _fetch(root, package, suite)
                _prune(part, [folder, *needs])
                _wrap(part, folder)
                part.rename(root)
    return reachable(root) / folder


def reachable(root: Path) -> Path:
    """`root`, or where it lies in a folder that is root's alone, a copy that other users can enter too."""
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o005 == 0o005 for folder in (root, *root.parents)):
        return root
    copy = own_folder(root.name)
    shutil.copytree(root, copy, symlinks=True, dirs_exist_ok=True, copy_function=_link_or_copy)
    copy.chmod(0o755)
    return copy


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def command(root: Path, path: str) -> list[str]:
    """The command that runs the program at `path` in an unpacked folder, with the libraries that came with it."""
    loader, libraries = _libraries(root)
    return [str(loader), "--library-path", ":".join(map(str, libraries)), str(root / path)]


def _libraries(root: Path) -> tuple[Path, list[Path]]:
    """The dynamic loader that came with it (the C library of one suite does not work with another's), and the folders
    of libraries.
    """
    folders = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")]
    for folder in folders:
        for loader in folder.glob("ld-linux-*.so.*"):
            return loader, folders
    raise ServerError(f"no dynamic loader in {root}")


def _prune(root: Path, keep: Sequence[str]) -> None:
    kept = [root / name for name in keep] + _libraries(root)[1]
    for path in sorted(root.rglob("*")):
        inside = any(folder == path or folder in path.parents for folder in kept)
        above = any(path in folder.parents for folder in kept)
        if inside or above:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _wrap(root: Path, folder: str) -> None:
    """Put scripts in place of the programs, so that these can be called, also by each other, as if installed."""
    loader, libraries = _libraries(root)
    text = _WRAPPER.format(
        folder=folder,
        loader=loader.relative_to(root),
        libraries=":".join(f"$root/{library.relative_to(root)}" for library in libraries),
    )
    real = root / f"{folder}.unpacked"
    (root / folder).rename(real)
    (root / folder).mkdir()
    for path in real.iterdir():
        wrapper = root / folder / path.name
        wrapper.write_text(text)
        wrapper.chmod(0o755)


def _fetch(root: Path, package: str, suite: str) -> Path:
    apt_get = program("apt-get", "apt")
    folder = own_folder("apt")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # nothing counts as installed, so that every library is fetched too
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror(apt_get)} {suite} main\n")
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
    run([apt_get, "install", "-y", "--download-only", package], environment=environment, timeout_s=600)
    part = root.with_name(root.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for archive in sorted((folder / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", str(archive), str(part)])
    shutil.rmtree(folder, ignore_errors=True)
    return part


def _mirror(apt_get: str) -> str:
    """The Debian mirror that this machine is set up with."""
    sites = run([apt_get, "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Component: main"]).split()
    for site in sites:
        if site.rstrip("/").endswith("/debian"):
            return site
    raise ServerError("no Debian mirror in this machine's apt sources: what comes from other suites is fetched there")
