"""From the ARNs and the database of a request to one of the principal's databases."""

from __future__ import annotations

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway.failure import Failure, bad_request
from outlive.gateway.rds.requests import Addressed


def meant(config: Config, principal: Principal, asked: Addressed) -> list[str]:
    """The databases that the request may mean, the first first; at least one. Raises Failure."""
    if asked.schema:
        raise bad_request("The member schema is not supported: name the schema in the statement, or use SET.")
    listed = [set(principal.arns[arn]) for arn in (asked.resource_arn, asked.secret_arn) if arn in principal.arns]
    if not listed:
        raise Failure(403, "forbidden", "Neither resourceArn nor secretArn is one of this principal's arns.")
    found = [
        name
        for name in principal.databases
        if all(name in names for names in listed) and (not asked.database or _is(config, name, asked.database))
    ]
    if not found:
        raise Failure(404, "no_such_database", f"{asked.database or 'No database'} is not what both ARNs mean.")
    return found


def _is(config: Config, name: str, asked: str) -> bool:
    entry = config.databases.get(name.removesuffix(".ro"))
    return asked == name or (entry is not None and asked == entry.database)


def protocol(config: Config, name: str) -> str:
    """What the database speaks. Raises Failure where a reload has taken it away."""
    entry = config.databases.get(name) or config.databases.get(name.removesuffix(".ro"))
    if entry is None:
        raise Failure(404, "no_such_database", "There is no such database.")
    return entry.scheme
