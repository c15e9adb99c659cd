"""Which values fit together: what types and ranges alone cannot say. Pure, except that TLS files are looked at."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from outlive.config.addresses import Address, is_loopback
from outlive.config.errors import Problem
from outlive.config.http import Http
from outlive.config.model import (
    ANY_DATABASE,
    POSTGRESQL_OPTIONS,
    REDIS_OPTIONS,
    SERVER_OPTIONS,
    SHARED_WITH_TCP,
    TCP_OPTIONS,
    Config,
    Database,
)

Report = Callable[[str, str, str], None]

REPLICA_SUFFIX: Final = ".ro"
SPARE_DESCRIPTORS: Final = 64  # listeners, HTTP, the loop's own, certificate and secret files while they are read
ORCHESTRATOR_GRACE_S: Final = 30  # what orchestrators leave between SIGTERM and SIGKILL by default


CONTROL_CONNECTIONS: Final = {"mysql": 1, "postgresql": 0, "redis": 0, "tcp": 0}
"""The part of a budget that is reserved: MySQL's KILL needs a connection, PostgreSQL's CancelRequest has one of its own
that counts for nothing; what blocks at Redis is unblocked by the end of its own connection.
"""

GATED_COMMANDS: Final = frozenset(
    (
        *("ACL", "CONFIG", "DEBUG", "FAILOVER", "FLUSHALL", "LATENCY", "MODULE", "REPLICAOF", "SHUTDOWN", "SLAVEOF"),
        *("CLIENT|PAUSE", "COMMANDLOG", "SLOWLOG", "SWAPDB"),
    )
)
"""Redis' commands for operators: refused unless `allow_commands` names them."""


def check_database(name: str, database: Database, explicit: frozenset[str], report: Report) -> None:
    """The rules of one database, of whose options `explicit` were given; reports paths below it."""
    if not name:
        report("", "A database has no name.", "Clients ask for it by name; * serves those that name none.")
    if name.endswith(REPLICA_SUFFIX):
        report("", f"The name {name} ends in .ro, which means the replicas of a database.", "Choose another name.")
    if database.scheme == "tcp":
        _check_tcp(database, explicit, report)
        return
    for option in TCP_OPTIONS:
        if option in explicit:
            report(option, f"{option} concerns TCP only, and this is {database.scheme}.", "Leave it out.")
    if not database.user and not database.passthrough:
        report("user", "There is no user to log in with.", "Add user and password, or passthrough = true.")
    if database.user in database.users:
        report(f"users.{database.user}", f"The user {database.user} is listed twice.", "Leave it out under users.")
    if database.dead_man_s <= database.ping_interval_s:
        report(
            "dead_man_s",
            f"dead_man_s ({database.dead_man_s}) must be more than ping_interval_s ({database.ping_interval_s:g}), "
            "or the server ends idle connections between two pings.",
            f"Set it to {int(database.ping_interval_s) * 3} or more.",
        )
    _check_budget(database, report)
    if database.scheme != "postgresql":
        for option in POSTGRESQL_OPTIONS:
            if option in explicit:
                report(option, f"{option} concerns PostgreSQL only, and this is {database.scheme}.", "Leave it out.")
    if database.scheme == "redis":
        _check_redis(database, explicit, report)
    else:
        for option in REDIS_OPTIONS:
            if option in explicit:
                report(option, f"{option} concerns Redis only, and this is {database.scheme}.", "Leave it out.")
    if database.auth_query and not database.user:
        report("auth_query", "auth_query is set but there is no user to run it.", "Add user and password.")
    _check_tls_files(database, ("tls_ca", "tls_cert", "tls_key"), report)
    if database.tls == "disabled":
        for option in ("tls_ca", "tls_cert", "tls_key"):
            if getattr(database, option) is not None:
                report(option, f"{option} is set but tls is disabled.", 'Add tls = "verify-identity".')


def _check_tcp(database: Database, explicit: frozenset[str], report: Report) -> None:
    """What needs knowledge of the protocol is refused, rather than ignored."""
    for option in sorted(explicit - {*SHARED_WITH_TCP, *TCP_OPTIONS}):
        if option in ("user", "database") and not getattr(database, option):
            continue  # a URL without one has an empty one
        if option.startswith("tls"):
            remedy = "Leave it out: TLS between client and server passes through as it is."
        else:
            remedy = "Leave it out: Outlive passes the bytes on, and knows nothing of them."
        report(option, f"{option} has no meaning for tcp.", remedy)


_NOT_OF_REDIS: Final = ("pin_functions", "prepared_statements", "dead_man_s", "client_connection")


def _check_redis(database: Database, explicit: frozenset[str], report: Report) -> None:
    if not re.fullmatch("[0-9]{1,5}", database.database):
        report("database", f"Redis has databases 0, 1, 2, but no {database.database!r}.", "Write redis://host:6379/0.")
    if database.replicas:
        report("replicas", "Replicas of Redis are not served.", "Leave replicas out.")
    for option in _NOT_OF_REDIS:
        if option in explicit:
            report(option, f"{option} has no meaning for Redis.", "Leave it out.")
    if database.sentinels and not database.sentinel_master:
        report("sentinels", "Sentinels are named, but not which primary they are asked for.", "Add sentinel_master.")
    for name in database.allow_commands:
        if name.upper() not in GATED_COMMANDS:
            report(
                "allow_commands",
                f"allow_commands names {name}, which is not one of those that need it.",
                f"They are {', '.join(sorted(GATED_COMMANDS))}.",
            )


def _check_budget(database: Database, report: Report) -> None:
    control = CONTROL_CONNECTIONS[database.scheme]
    if database.scheme == "redis" and database.max_connections < 2:
        report(
            "max_connections",
            "max_connections is 1, but of Redis one connection may block while another feeds it.",
            "Set it to 2 or more.",
        )
        return
    if database.max_connections <= control:
        report(
            "max_connections",
            f"max_connections is {database.max_connections} but must be a whole number from 2 to 100000: one of them "
            "is the control connection's.",
            "Set it to 2 or more.",
        )
        return
    lendable = database.max_connections - control
    if database.min_idle > lendable:
        whose = ", of which one is the control connection's" if control else ""
        report(
            "min_idle",
            f"min_idle ({database.min_idle}) must be {'below' if control else 'at most'} max_connections "
            f"({database.max_connections}){whose}.",
            f"Set it to {lendable} or less.",
        )


def _check_tls_files(options: Database | Config | Http, names: tuple[str, ...], report: Report) -> None:
    for name in names:
        path = getattr(options, name)
        if path is not None and not (os.path.isfile(path) and os.access(path, os.R_OK)):
            report(name, f"The file {path} cannot be read.", "Correct the path, or the file's permissions.")
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(options, one) is not None and getattr(options, other) is None:
            report(one, f"{one} is set but {other} is not.", f"Add {other}; certificate and key go together.")


def share_servers(
    databases: Mapping[str, Database], explicit: Mapping[str, frozenset[str]], report: Report
) -> dict[str, Database]:
    """The databases, with the same SERVER_OPTIONS on the same server; reports those that contradict each other.

    What one database says holds for its servers, and so for the databases on them that do not say anything.
    """
    shared = dict(databases)
    for option in SERVER_OPTIONS:
        said = _Said(option, report)
        speaking = [name for name in shared if option in explicit[name]]
        silent = [name for name in shared if option not in explicit[name]]
        while speaking:
            for name in speaking:
                said.by(name, shared[name])
            # A database that took over a value says it to its other servers in turn.
            speaking = [name for name in silent if said.about(shared[name])]
            silent = [name for name in silent if name not in speaking]
            for name in speaking:
                value = said.values[said.about(shared[name])[0]][0]
                shared[name] = msgspec.structs.replace(shared[name], **{option: value})
    return shared


def check_protocols(databases: Mapping[str, Database], report: Report) -> None:
    """One server speaks one protocol."""
    seen: dict[Address, tuple[str, str]] = {}
    for name, database in databases.items():
        for address in _servers(database):
            scheme, first = seen.setdefault(address, (database.scheme, name))
            if scheme != database.scheme:
                report(
                    f"{name}.hosts",
                    f"{name} is {database.scheme} and {first} is {scheme}, but both are on the server {address}.",
                    "A server speaks one protocol: correct the port.",
                )
                break


def check_one_redis(databases: Mapping[str, Database], report: Report) -> None:
    """Redis' clients name no database but a number, so that there is one entry that they can mean."""
    served = [name for name, database in databases.items() if database.scheme == "redis"]
    for name in served[1:]:
        report(
            f"{name}.url",
            f"{name} is a second Redis entry beside {served[0]}, and clients of Redis cannot name one.",
            "Start another node for it.",
        )


class _Said:
    """What was said about one option, by server: the value and the database that said it first."""

    def __init__(self, option: str, report: Report) -> None:
        self.option = option
        self.report = report
        self.values: dict[Address, tuple[object, str]] = {}

    def by(self, name: str, database: Database) -> None:
        value = getattr(database, self.option)
        for address in _servers(database):
            known, first = self.values.setdefault(address, (value, name))
            if known != value:
                self.report(
                    f"{name}.{self.option}",
                    f"{name} and {first} are on the same server {address} but say {self.option} {value} and {known}.",
                    f"Give {self.option} once, or the same to both: it belongs to the server.",
                )
                return

    def about(self, database: Database) -> list[Address]:
        return [address for address in _servers(database) if address in self.values]


def _servers(database: Database) -> tuple[Address, ...]:
    return tuple(dict.fromkeys((*database.hosts, *database.replicas)))


def check_users(databases: Mapping[str, Database], report: Report) -> None:
    """One user has one password at one server, as its connections are pooled by user."""
    seen: dict[tuple[Address, str], tuple[object, str]] = {}
    for name, database in databases.items():
        for user, secret in {database.user: database.password, **database.users}.items():
            for address in _servers(database):
                known, first = seen.setdefault((address, user), (secret, name))
                if known != secret:
                    report(
                        f"{name}.{'password' if user == database.user else f'users.{user}'}",
                        f"{name} and {first} give the user {user} different passwords at the same server {address}.",
                        "A user has one password at a server: refer to the same secret in both.",
                    )
                    break


_SHA256: Final = re.compile("[0-9a-f]{64}")


def check_issuers(config: Config, report: Report) -> None:
    """Where the keys of JSON Web Tokens come from, and whom their claims mean."""
    for name, issuer in config.jwt.items():
        if bool(issuer.jwks_file) == bool(issuer.jwks_url):
            report(f"jwt.{name}", f"{name} needs one of jwks_file and jwks_url.", "Say where its public keys are.")
        if issuer.jwks_url and not _may_be_fetched(issuer.jwks_url):
            report(
                f"jwt.{name}.jwks_url",
                "The keys would be fetched without TLS, or the URL is none.",
                "Write https://HOST/PATH; http:// is for loopback only.",
            )
    meant: dict[str, str] = {}
    for name, principal in config.principals.items():
        for subject in principal.jwt:
            issued, slash, value = subject.partition("/")
            if issued not in config.jwt or not slash or not value:
                report(f"principals.{name}.jwt", f"There is no issuer {issued}, or no value.", "Write NAME/VALUE.")
            elif meant.setdefault(subject, name) != name:
                report(f"principals.{name}.jwt", f"{name} and {meant[subject]} are both {subject}.", "Choose one.")


def _may_be_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
    except ValueError:
        return False


def check_principals(config: Config, report: Report) -> None:
    """Who may send SQL over HTTP: the keys' hashes, and the databases."""
    seen: dict[str, str] = {}
    for name, principal in config.principals.items():
        path = f"principals.{name}"
        # One item for each way to be known.
        if not any((principal.api_key_sha256, principal.database_users, principal.access_keys, principal.jwt)):
            report(path, f"Nothing says who {name} is.", "Add api_key_sha256, or another way to be known.")
        for key in principal.api_key_sha256:
            if not _SHA256.fullmatch(key):
                report(
                    f"{path}.api_key_sha256",
                    "A hash is no SHA-256 in 64 lower-case hexadecimal digits.",
                    "Write what `printf %s KEY | sha256sum` says, never the key.",
                )
            elif seen.setdefault(key, name) != name:
                report(
                    f"{path}.api_key_sha256",
                    f"{name} and {seen[key]} have the same key.",
                    "Give each principal a key of its own.",
                )
        is_named = any({name, "*"} & {*operation.principals} for operation in config.operations.values())
        if not principal.databases and not principal.locks and not is_named:
            report(path, f"{name} has no databases, no locks, and no operation names it.", "Say what it may use.")
        _check_database_users(config, name, report)
        _check_access_keys(config, name, report)
        _check_redis_rights(config, name, report)
        for statement in () if principal.rules is None else principal.rules.statements:
            if statement not in config.statements:
                report(
                    f"{path}.rules", f"There is no statement {statement}.", "Add it to [statements], or leave it out."
                )
        for asked in principal.databases:
            if asked.removesuffix(".ro") == ANY_DATABASE:
                report(f"{path}.databases", f"{asked} is no database by name.", "Name each database it may use.")
                continue
            database = config.databases.get(asked) or config.databases.get(asked.removesuffix(".ro"))
            if database is None:
                report(
                    f"{path}.databases",
                    f"There is no database {asked}.",
                    f"Name one of {', '.join(sorted(config.databases))}.",
                )
            elif database.scheme == "tcp":
                report(f"{path}.databases", f"{asked} is tcp, which speaks no SQL.", "Name another database.")
            elif not database.user:
                report(
                    f"{path}.databases",
                    f"The database {asked} has no user, and its principals act as that user.",
                    f"Add user and password to [databases.{asked.removesuffix('.ro')}].",
                )
            elif asked not in config.databases and not database.replicas:
                report(f"{path}.databases", f"{asked} has no replicas.", "Leave .ro out, or add replicas.")


def check_locks(config: Config, report: Report) -> None:
    """Where locks are kept."""
    name = config.locks.database
    for principal, found in config.principals.items():
        if found.locks and not name:
            report(f"principals.{principal}.locks", "There is no store of locks.", "Add database to [locks].")
    if not name:
        return
    database = config.databases.get(name)
    if database is None:
        report("locks.database", f"There is no database {name}.", "Name one of the configuration.")
    elif database.scheme not in ("postgresql", "redis"):
        report("locks.database", f"{name} is {database.scheme}.", "Locks are kept in PostgreSQL or Redis.")
    elif database.scheme == "postgresql" and not database.user:
        report("locks.database", f"{name} has no user.", f"Add user and password to [databases.{name}].")


def _check_database_users(config: Config, name: str, report: Report) -> None:
    """A user who logs in at a database is one principal."""
    principal = config.principals[name]
    path = f"principals.{name}"
    if principal.websocket and (principal.read_only or principal.rules or not principal.database_users):
        report(
            f"{path}.websocket",
            "PostgreSQL's own protocol is for database_users who have neither rules nor read_only.",
            "Leave websocket out, or these: only the database's own privileges count there.",
        )
    for other, found in config.principals.items():
        if other >= name:
            continue
        users = sorted(set(principal.database_users) & set(found.database_users))
        if users and set(principal.databases) & set(found.databases):
            report(
                f"{path}.database_users",
                f"{name} and {other} both have {users[0]} in database_users for the same database.",
                "Name each user of a database in one principal.",
            )


_COMMAND: Final = re.compile(r"@(read|write|pubsub)|[A-Za-z][A-Za-z0-9._-]*")


def _check_redis_rights(config: Config, name: str, report: Report) -> None:
    """What a principal may do at Redis, over Upstash's API."""
    principal = config.principals[name]
    path = f"principals.{name}"
    served = [asked for asked in principal.databases if asked in config.databases]
    redis = [asked for asked in served if config.databases[asked].scheme == "redis"]
    for option in ("redis_commands", "redis_keys", "redis_channels"):
        if getattr(principal, option) is not None and not redis:
            report(f"{path}.{option}", f"{name} has no Redis among its databases.", f"Leave {option} out.")
    for command in principal.redis_commands or ():
        if not _COMMAND.fullmatch(command):
            report(
                f"{path}.redis_commands",
                f"{command} is neither a command's name nor one of @read, @write and @pubsub.",
                "Name commands one by one, without subcommands.",
            )
    if redis and len(redis) == len(served) and principal.rules is not None:
        report(f"{path}.rules", f"{name} has rules for SQL, and Redis only.", "Write redis_commands and redis_keys.")


def _check_access_keys(config: Config, name: str, report: Report) -> None:
    """Of clients of the RDS Data API: their access keys, and what their ARNs mean."""
    principal = config.principals[name]
    path = f"principals.{name}"
    for key in principal.access_keys:
        others = [other for other, found in config.principals.items() if other != name and key in found.access_keys]
        if others:
            report(
                f"{path}.access_keys.{key}",
                f"{name} and {others[0]} have the same access key.",
                "Give each principal access keys of its own.",
            )
    if principal.access_keys and not principal.arns:
        report(f"{path}.access_keys", f"{name} has access keys, but no ARN means a database.", "Add arns.")
    for arn, databases in principal.arns.items():
        for database in databases:
            if database not in principal.databases:
                report(
                    f"{path}.arns.{arn}",
                    f"{database} is not one of the databases of {name}.",
                    "Add it to databases, or leave it out here.",
                )


def check_node(config: Config, report: Report) -> None:
    """The rules of the node's own options."""
    if not config.databases:
        report(
            "databases",
            "There is no database to serve.",
            "Give a URL (outlive serve postgresql://user@host/database) or a configuration with [databases.NAME].",
        )
    if config.proxy_protocol != "off" and not config.proxy_protocol_trusted:
        report(
            "proxy_protocol_trusted",
            "proxy_protocol is required but no network is trusted to send it.",
            'Add the load balancers\' networks, as proxy_protocol_trusted = ["10.0.0.0/8"].',
        )
    for network in config.proxy_protocol_trusted:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            report("proxy_protocol_trusted", f"{network} is not a network.", "Write 10.0.0.0/8, 192.0.2.7 or fd00::/8.")
    _check_tls_files(config, ("tls_cert", "tls_key", "tls_client_ca"), report)
    _check_tls_files(config.http, ("tls_cert", "tls_key"), lambda name, *said: report(f"http.{name}", *said))
    for option, given in (("tls_client_ca", config.tls_client_ca), ("tls_required", config.tls_required)):
        if given and config.tls_cert is None:
            report(option, f"{option} is set but there is no certificate.", "Add tls_cert and tls_key.")
    for name, database in config.databases.items():
        if database.client_auth == "cert" and config.tls_client_ca is None:
            report(
                f"databases.{name}.client_auth",
                "client_auth is cert but no authority of clients' certificates is given.",
                "Add tls_client_ca, tls_cert and tls_key.",
            )
    _check_ports(config, report)


def _check_ports(config: Config, report: Report) -> None:
    listen = config.listen
    taken: dict[Address, str] = {}
    served: dict[str, Address | None] = {"mysql": listen.mysql, "postgres": listen.postgres, "redis": listen.redis}
    served |= {"http": listen.http, "admin": listen.admin}
    for name, address in served.items():
        if address is None or address.port == 0:
            continue
        first = taken.setdefault(address, name)
        if first != name:
            report(f"listen.{name}", f"{name} and {first} both listen on {address}.", "Give one of them another port.")
    for name, database in config.databases_of("tcp").items():
        address = database.listen or listen.tcp
        if address.port and taken.setdefault(address, name) != name:
            report(
                f"databases.{name}.listen",
                f"{name} and {taken[address]} both listen on {address}.",
                f'Give {name} an address of its own, as listen = "127.0.0.1:{address.port + 1}".',
            )


def descriptors_needed(config: Config) -> int:
    """How many open files the node may need at once."""
    budgets = sum(database.max_connections for database in config.servers().values())
    # A request over HTTP counts as a client too, but a connection that it leaves open behind it does not.
    callers = config.http.max_connections if config.principals else 0
    return config.max_clients + callers + budgets + SPARE_DESCRIPTORS


def check_file_limit(config: Config, limit: int, report: Report) -> None:
    """Whether the process may open that many files; `limit` is the hard RLIMIT_NOFILE."""
    needed = descriptors_needed(config)
    if needed > limit:
        report(
            "max_clients",
            f"max_clients ({config.max_clients}) and the budgets need {needed} open files, but {limit} are allowed.",
            f"Set it to {max(1, limit - needed + config.max_clients)} or less, or raise the limit (ulimit -Hn).",
        )


_WITHOUT_TLS: Final = {
    "mysql": "Without TLS passed-through users can log in by the RSA exchange of caching_sha2_password only.",
    "postgresql": "Without TLS passed-through users cannot log in: clear passwords are asked for over TLS only.",
    "redis": "Without TLS the passwords of passed-through users can be read on their way.",
}


def advice(config: Config) -> list[Problem]:
    """What is possible but rarely meant; `outlive check` shows it and does not fail."""
    found: list[Problem] = []
    drain_s = config.drain_delay_s + config.drain_timeout_s
    if drain_s >= ORCHESTRATOR_GRACE_S:
        found.append(
            Problem(
                f"Draining may take {drain_s:g} s, and orchestrators kill after {ORCHESTRATOR_GRACE_S} s by default.",
                "Lower drain_timeout_s, or raise the orchestrator's grace period.",
                "drain_timeout_s",
            )
        )
    for scheme, listener in (("mysql", "mysql"), ("postgresql", "postgres"), ("redis", "redis")):
        address = config.listen.of(scheme)
        served = any(database.scheme == scheme for database in config.databases.values())
        if served and not is_loopback(address.host) and config.tls_cert is None:
            found.append(
                Problem(
                    f"Clients on {address} speak without TLS.",
                    "Add tls_cert and tls_key unless the network is private.",
                    f"listen.{listener}",
                )
            )
    for name, database in config.databases.items():
        if database.tls == "required":
            found.append(
                Problem(
                    "The server's certificate is not verified, so an impostor can read the traffic.",
                    'Set tls = "verify-identity".',
                    f"databases.{name}.tls",
                )
            )
        if database.passthrough and config.tls_cert is None:
            found.append(
                Problem(
                    _WITHOUT_TLS[database.scheme],
                    "Add tls_cert and tls_key for clients with other plugins.",
                    f"databases.{name}.passthrough",
                )
            )
    if len(config.databases) > 1 and getattr(config.databases.get(ANY_DATABASE), "scheme", "") == "mysql":
        found.append(
            Problem(
                "Clients that name an unknown database are served by *.",
                "Leave it out and the first database serves them.",
                f"databases.{ANY_DATABASE}",
            )
        )
    return found
