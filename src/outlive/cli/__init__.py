"""The command line: one file a command."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point `outlive`. Ends the process with 0, 1 (it failed) or 2 (usage or configuration)."""
    try:
        # Only here, so that the bare package, which has no dependencies, can say what is missing.
        from outlive.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "outlive":
            raise
        sys.stderr.write(f"outlive: The package {error.name} is not installed. Run: pip install 'outlive[server]'\n")
        sys.exit(2)
    sys.exit(run())
