"""Database URLs as people write them: `postgresql://user:password@host:port,host/database?option=value`.

Read by hand rather than by urllib, which knows one host only and whose errors would quote the password.
Nothing between the scheme and the last `@` ever gets into an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from outlive.config.addresses import Address, parse_address

DEFAULT_PORTS: Final = {"mysql": 3306, "postgresql": 5432, "redis": 6379}
MAX_URL_CHARACTERS: Final = 8192  # a URL with a token of 2 KiB and a dozen hosts stays under it

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\+[A-Za-z0-9]+)?)://")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")
_SCHEMES: Final = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "redis": "redis",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "tcp": "tcp",
}
_WITH_TLS: Final = frozenset({"rediss", "valkeys"})
_ESCAPE: Final = "Write special characters of user and password as %-escapes (@ is %40, / is %2F, ? is %3F)."

# The drivers' names for TLS options (MySQL's command line, SQLAlchemy, libpq, JDBC).
_ALIASES: Final = {
    "ssl": "tls",
    "usessl": "tls",
    "sslmode": "sslmode",
    "ssl_mode": "sslmode",
    "ssl_ca": "tls_ca",
    "sslrootcert": "tls_ca",
    "ssl_cert": "tls_cert",
    "sslcert": "tls_cert",
    "ssl_key": "tls_key",
    "sslkey": "tls_key",
}
_FORM: Final = {
    "mysql": "Write mysql://user:password@host/database.",
    "postgresql": "Write postgresql://user:password@host/database.",
    "tcp": "Write tcp://host:port.",
}
_SSLMODE: Final = {
    "disable": "disabled",
    "disabled": "disabled",
    "require": "required",
    "required": "required",
    "verify_ca": "verify-ca",
    "verify_full": "verify-identity",
    "verify_identity": "verify-identity",
}
_CLIENT_SIDE: Final = frozenset(
    {
        "charset",
        "collation",
        "use_unicode",
        "autocommit",
        "local_infile",
        "init_command",
        "read_timeout",
        "write_timeout",
        "binary_prefix",
        "read_default_file",
        "cursorclass",
        "sql_mode",
        "time_zone",
        "compress",
        "connect_timeout",
        "connection_timeout",
        "servertimezone",
        "characterencoding",
        "useunicode",
        "allowpublickeyretrieval",
        "pool_size",
        "pool_recycle",
        # libpq's, and those of PostgreSQL's other drivers.
        "application_name",
        "fallback_application_name",
        "client_encoding",
        "options",
        "gssencmode",
        "krbsrvname",
        "sslnegotiation",
        "sslcompression",
        "sslsni",
        "sslpassword",
        "sslcrl",
        "require_auth",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "load_balance_hosts",
        "hostaddr",
        "passfile",
        "service",
        "prepare_threshold",
        "preparethreshold",
        "statement_cache_size",
        "prepared_statement_cache_size",
        "currentschema",
        "search_path",
        "pgbouncer",
        "connection_limit",
        "pool_timeout",
    }
)


class UrlError(ValueError):
    """A URL cannot be read: a sentence, a remedy, and the parameter it is about, if any."""

    def __init__(self, sentence: str, remedy: str, parameter: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """The parts of a URL, unescaped. `options` are its query parameters under Outlive's names."""

    scheme: str
    hosts: tuple[Address, ...]
    user: str
    password: str | None = field(repr=False)
    database: str
    options: dict[str, str] = field(repr=False)  # `password=` may be among them

    @property
    def shows_password(self) -> bool:
        """Whether the URL itself contains a password, not a reference to one."""
        return bool(self.password) or bool(self.options.get("password"))


def parse_url(url: str) -> DatabaseURL:
    """The parts of a database URL. Raises UrlError, which never quotes user or password."""
    if len(url) > MAX_URL_CHARACTERS:
        raise UrlError(f"The URL has more than {MAX_URL_CHARACTERS} characters.", "Use a configuration file.")
    scheme, start = _scheme(url)
    ends = [end for end in (url.find("/", start), url.find("?", start)) if end >= 0]
    authority_end = min(ends, default=len(url))
    authority = url[start:authority_end]
    path, _, query = url[authority_end:].partition("?")
    # An unescaped / or ? of the password ends the authority too early: then an @ follows where none belongs.
    if "@" in path or ("@" in query and "@" not in authority):
        raise UrlError("The URL has an @ after its host.", _ESCAPE)
    options = _query(query)
    if url[:start].lower().removesuffix("://") in _WITH_TLS:
        options.setdefault("tls", "verify-identity")  # as the clients of Redis mean it by this scheme
    login, _, hosts = authority.rpartition("@")
    user, colon, password = login.partition(":")
    if "/" in path[1:]:
        raise UrlError(
            "The URL's path has more than one part.", "Its path is the name of one database; / in it is %2F."
        )
    return DatabaseURL(
        scheme=scheme,
        hosts=_hosts(hosts, scheme),
        user=_unescape(user),
        password=_unescape(password) if colon else None,
        database=_unescape(path[1:]),
        options=options,
    )


def _scheme(url: str) -> tuple[str, int]:
    match = _SCHEME.match(url)
    if match is None:
        raise UrlError("This is not a database URL.", "Write postgresql://user:password@host/database or mysql://...")
    name = match[1].lower()
    if name in _SCHEMES:
        return _SCHEMES[name], match.end()
    raise UrlError(
        f"The scheme {name}:// is not known.",
        "Write postgresql://, mysql://, mariadb://, redis:// or rediss://; tcp://host:port for another protocol.",
    )


def _hosts(text: str, scheme: str) -> tuple[Address, ...]:
    if not text:
        raise UrlError("The URL names no host.", _FORM[scheme])
    try:
        return tuple(parse_address(host, DEFAULT_PORTS.get(scheme)) for host in text.split(","))
    except ValueError as error:
        raise UrlError(str(error), "Hosts are host, host:port or [IPv6]:port, with commas between.") from None


def _query(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        written, equals, value = part.partition("=")
        if not equals or not _NAME.match(written):
            # Not quoted: it may be the rest of a password with a ? in it.
            raise UrlError("The URL has a parameter that is not name=value.", _ESCAPE)
        name, value = _known(written, unquote(value, errors="surrogateescape"))
        if name == "target_session_attrs":
            _check_target(written, value)
            continue
        if name in options:
            raise UrlError(f"The parameter {written} is given twice.", "Leave one of them out.", written)
        options[name] = value
    return options


def _known(written: str, value: str) -> tuple[str, str]:
    """A parameter under Outlive's name for it; what is unknown to us stays as it is, for the model to refuse."""
    name = _ALIASES.get(written.lower().replace("-", "_"), written)
    if name == "sslmode":
        return "tls", _tls_of_sslmode(written, value)
    if name == "tls" and value.lower() in ("true", "1", "yes", "on"):
        return "tls", "verify-identity"
    if name == "tls" and value.lower() in ("false", "0", "no", "off"):
        return "tls", "disabled"
    return name, value


def _check_target(written: str, value: str) -> None:
    """libpq's way to say that of several hosts the primary is meant, which goes without saying here."""
    if value.lower() not in ("read-write", "primary"):
        raise UrlError(
            f"{written}={value} is not possible: the hosts of a URL are writers.",
            "List servers to read from as replicas=, and connect to NAME.ro.",
            written,
        )


def _tls_of_sslmode(written: str, value: str) -> str:
    mode = _SSLMODE.get(value.lower().replace("-", "_"))
    if mode is None:
        sentence = f"{written}={value} is not possible."
        if value.lower() in ("prefer", "preferred", "allow"):
            sentence = f"{written}={value} would let anyone between switch TLS off, so Outlive has no such mode."
        raise UrlError(sentence, "Choose tls=disabled, required, verify-ca or verify-identity.", written)
    return mode


def _unescape(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def is_client_side(parameter: str) -> bool:
    """Whether it is a driver's parameter that belongs into the application's URL, not into Outlive's."""
    return parameter.lower().replace("-", "_") in _CLIENT_SIDE
