"""`outlive check --live`: what the databases say of the declared operations."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec

from outlive.config.errors import Problem
from outlive.config.model import Config
from outlive.config.rules import REPLICA_SUFFIX
from outlive.config.toml_lines import line_of, lines_of
from outlive.gateway.declared.examination import examine
from outlive.gateway.declared.work import Finding
from outlive.net.certificates import CertificateError
from outlive.observe import log
from outlive.proxy.node import servers_of


class Live(NamedTuple):
    """What does not fit, and what could not be asked."""

    wrong: list[Problem]
    away: list[Problem]


def ask(path: str, config: Config) -> Live:
    """Asks each database about its operations, over one connection to a server."""
    log.configure("error")  # a dial that fails is told once, at the end
    try:
        found = asyncio.run(_ask(_narrowed(config)))
    except CertificateError as error:
        return Live([], [Problem(f"{error}", "Correct the file.", "", path)])
    lines = lines_of(Path(path).read_text())

    def problem(finding: Finding) -> Problem:
        return Problem(
            finding.sentence, finding.remedy, finding.path, path, line_of(lines, tuple(finding.path.split(".")))
        )

    return Live(
        [problem(finding) for finding in found if not finding.is_away],
        [problem(finding) for finding in found if finding.is_away],
    )


async def _ask(config: Config) -> list[Finding]:
    if not config.operations:
        return []
    async with servers_of(config) as wires:
        return await examine(config, wires)


def _narrowed(config: Config) -> Config:
    """Only the databases that operations name, and of each no more connections than it takes."""
    named = {operation.database for operation in config.operations.values()}
    named |= {name.removesuffix(REPLICA_SUFFIX) for name in named}
    databases = {
        name: msgspec.structs.replace(
            database,
            min_idle=0,
            max_connections=1 if database.scheme == "postgresql" else 2,
            max_per_key=None,
            listen=None,
        )
        for name, database in config.databases.items()
        if name in named
    }
    return msgspec.structs.replace(config, databases=databases)
