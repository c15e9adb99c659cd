"""The `outlive` command: its subcommands, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer
from typer.main import get_command

from outlive import __version__
from outlive.cli.advise import advise
from outlive.cli.check import check
from outlive.cli.demo import demo
from outlive.cli.doctor import doctor
from outlive.cli.output import FAILED, OK, USAGE, say, say_problems
from outlive.cli.reap import reap
from outlive.cli.serve import serve
from outlive.cli.storm import storm
from outlive.config.errors import ConfigError

# Typer brings its own copy of click in some versions and uses the package in others: take the class that it raises.
ClickException = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="outlive",
    help="A connection pool manager for functions: connections that outlive them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its frames show local variables, and so secrets
    rich_markup_mode=None,
)
app.command()(serve)
app.command()(check)
app.command()(demo)
app.command()(reap)
app.command()(doctor)
app.command()(storm)
app.command()(advise)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"outlive {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A connection pool manager for functions: connections that outlive them."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command line (default: the process's) and return its exit status; no exception comes out."""
    try:
        result = get_command(app).main(args=arguments, prog_name="outlive", standalone_mode=False)
    except ConfigError as error:
        say_problems(error)
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        return FAILED
    except OSError as error:
        say(f"{error.strerror or error}. Is the address or file right, and allowed?")
        return FAILED
    except Exception as error:
        if isinstance(error, ClickException):
            error.show()  # type: ignore[attr-defined]
            return USAGE
        # A bug. People get a sentence; who looks for it gets the traceback, which shows code and no values.
        say(f"Internal error ({type(error).__name__}). Set OUTLIVE_LOG_LEVEL=debug to see where, and report it.")
        if os.environ.get("OUTLIVE_LOG_LEVEL") == "debug":
            traceback.print_tb(error.__traceback__)
        return FAILED
    return result if isinstance(result, int) else OK
