"""`outlive serve`: the proxy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from outlive.cli.output import warn
from outlive.config.errors import ConfigError, Problem
from outlive.config.load import load
from outlive.config.origin import Origin
from outlive.config.url import UrlError, parse_url
from outlive.observe import log

_ADDRESS = "HOST:PORT"


def serve(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]...",
            help="postgresql://user@host/database?password_env=NAME&max_connections=20, mysql://, redis:// or tcp://host:port",
        ),
    ] = None,
    *,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="The configuration, a TOML file.")] = None,
    mysql: Annotated[str | None, typer.Option(metavar=_ADDRESS, help="MySQL clients [127.0.0.1:6033].")] = None,
    postgres: Annotated[str | None, typer.Option(metavar=_ADDRESS, help="PostgreSQL clients [127.0.0.1:6432].")] = None,
    redis: Annotated[str | None, typer.Option(metavar=_ADDRESS, help="Redis clients [127.0.0.1:6380].")] = None,
    tcp: Annotated[
        str | None, typer.Option(metavar=_ADDRESS, help="Clients of the tcp:// URL [127.0.0.1:6700].")
    ] = None,
    http: Annotated[str | None, typer.Option(metavar=_ADDRESS, help="Probes, metrics [127.0.0.1:8080].")] = None,
    admin: Annotated[str | None, typer.Option(metavar=_ADDRESS, help="Moves metrics to a port of their own.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Of the embedded database [~/.local/share/outlive].")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; only 1 until the budget is shared between them.")] = 1,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error [info].")] = None,
) -> int:
    """Serve clients over a few server connections. SIGTERM drains, SIGHUP reloads.

    With neither URL nor configuration it starts a PostgreSQL 18 of its own and serves that.
    """
    _refuse_what_comes_later(workers)
    given = {
        "listen.mysql": mysql,
        "listen.postgres": postgres,
        "listen.redis": redis,
        "listen.tcp": tcp,
        "listen.http": http,
        "listen.admin": admin,
        "log_level": log_level,
    }
    flags = {option: value for option, value in given.items() if value is not None}
    if not (urls or config or os.environ.get("OUTLIVE_URL") or os.environ.get("OUTLIVE_CONFIG")):
        from outlive.cli.embedded import serve_embedded

        return serve_embedded(Path(data).expanduser() if data else None, flags)
    if data is not None:
        _refuse_data()
    _warn_of_passwords(urls or [])
    model = load(Origin(path=config, urls=tuple(urls or ()), flags=flags))
    log.configure(model.log_level)
    # The node pulls in the event loop and every protocol: not for a wrong argument or `--help`.
    from outlive.proxy.node import run

    return run(model)


def _refuse_what_comes_later(workers: int) -> None:
    if workers != 1:
        raise ConfigError(
            [
                Problem(
                    f"{workers} workers are not possible: each process would have a budget of its own, and together "
                    "they would pass the server's.",
                    "Leave --workers out; it comes with the shared budget.",
                    "--workers",
                )
            ]
        )


def _refuse_data() -> None:
    raise ConfigError(
        [
            Problem(
                "--data is the embedded database's folder, but a URL or configuration names another database.",
                "Leave one of them out (OUTLIVE_URL and OUTLIVE_CONFIG count too).",
                "--data",
            )
        ]
    )


def _warn_of_passwords(urls: list[str]) -> None:
    for url in urls:
        try:
            shows = parse_url(url).shows_password
        except UrlError:
            continue  # `load` refuses it, with the remedy
        if shows:
            warn(
                "A password in an argument shows in the process list. "
                "Use ?password_env=NAME, ?password_file=PATH or OUTLIVE_URL instead."
            )
            return
