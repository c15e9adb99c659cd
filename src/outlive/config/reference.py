"""docs/configuration.md, written from the model; a test compares the two, so that they cannot drift apart.

python -m outlive.config.reference > docs/configuration.md
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from outlive.config.addresses import Address
from outlive.config.model import SERVER_OPTIONS
from outlive.config.options import (
    CONFIG_OPTIONS,
    CONTENT_OPTIONS,
    DATABASE_OPTIONS,
    HTTP_OPTIONS,
    JWT_OPTIONS,
    LISTEN_OPTIONS,
    LOCKS_OPTIONS,
    OPERATION_OPTIONS,
    PARAMETER_OPTIONS,
    PRINCIPAL_OPTIONS,
    REQUIRED,
    STEP_OPTIONS,
    TABLE_OPTIONS,
    Option,
)
from outlive.config.secrets import COMMAND_TIMEOUT_S, Secret

_INTRODUCTION: Final = """\
# Configuration

<!-- Written from the model in src/outlive/config/model.py by `python -m outlive.config.reference`. Do not edit. -->

Outlive is configured by a TOML file (`--config`, or `OUTLIVE_CONFIG`), by URLs (arguments, or `OUTLIVE_URL` with blanks
between them), by the environment and by flags. A later one of *file, environment, flags* wins; URLs add to the
databases of the file, and URLs given as arguments replace `OUTLIVE_URL`.

`outlive check outlive.toml` says whether a file is right, with the line, the option and the remedy. Unknown options,
impossible values and missing secrets are refused, never ignored. SIGHUP loads everything again; a configuration that is
refused leaves the old one in force.

The unit of an option is in its name: `_s` seconds, `_ms` milliseconds, `_bytes` bytes; without one it is a count.

```toml
max_clients = 5000

[listen]
postgres = "0.0.0.0:6432"

[databases.shop]
url = "postgresql://app@db.example.com/shop?password_env=DB_PASSWORD"
max_connections = 40
tls = "verify-identity"

[databases.shop.users]
reporting = { file = "/run/secrets/reporting" }
```
"""

_URLS: Final = """\
## URLs

`postgresql://user:password@host:port/database?option=value&option=value`, `mysql://...`, or `tcp://host:port`

- The path names the database, for clients and at the server. Without one the entry is called `*`: it serves clients
  that name no database, or one without an entry of its own. (PostgreSQL clients that name none mean the one that is
  called as their user. Without `*` they get error 3D000 where there is no entry, and MySQL clients the first entry.)
- Every option of `[databases.NAME]` is a query parameter, except `users`; lists have commas between their items.
- `tcp://host:port?listen=HOST:PORT` is for any other protocol (docs/tcp.md). It has no user; its path, if any, is only
  the entry's name, by default `host:port`; and of the options only those that need no knowledge of the protocol.
- Several hosts: `postgresql://user@db1,db2:5433/shop`. The default port is 5432, of MySQL 3306. An IPv6 address stands
  in brackets.
- `postgres://`, `postgresql+psycopg://`, `mariadb://`, `mysql+pymysql://` and the like are accepted as they are. So are
  `sslmode=`, `ssl-mode=`, `ssl=true` (which is `tls=verify-identity`), `sslrootcert=`, `ssl-ca=`, `sslcert=`,
  `sslkey=`, and `target_session_attrs=read-write` or `primary`, which is what Outlive looks for anyway.
  `sslmode=prefer` is refused: whoever is between could switch TLS off. Other parameters of drivers are refused by name.
- Special characters of user and password are %-escapes: `@` is `%40`, `/` is `%2F`, `?` is `%3F`.
- A password in an argument works, with a warning: it shows in the process list.
"""

_SECRETS: Final = f"""\
## Secrets

Instead of `password`: `password_env` (a variable), `password_file` (a file) or `password_command` (a program with its
arguments, without a shell, which writes it to its standard output within {COMMAND_TIMEOUT_S:g} s). They are read at
each dial, and once more after the server refused a login, so that rotation and short-lived tokens work. One newline at
the end of a file or an output is not part of the secret. Secrets are in no log, error or metric.
"""

_SERVERS: Final = """\
## Databases on the same server

A server is one host and port, as it is written; it has one budget, however many databases, users and replicas
live on it. These options belong to the server, so databases on the same one share them: say each once, or the same.
A user has one password at a server.

{options}
"""


def reference() -> str:
    """The text of docs/configuration.md."""
    parts = [
        _INTRODUCTION,
        _section(
            "## The node",
            "At the top of the file. Each is also an environment variable, as `OUTLIVE_MAX_CLIENTS`.",
            CONFIG_OPTIONS,
        ),
        _section(
            "## [listen]",
            "Each is `HOST:PORT`; port 0 takes a free one. Also a flag, `--postgres`, and a variable, "
            "`OUTLIVE_POSTGRES`.",
            LISTEN_OPTIONS,
        ),
        _section(
            "## [databases.NAME]",
            "NAME is what clients ask for; `NAME.ro` reads from its replicas. `url` may stand for scheme, hosts, user, "
            "password and database, and for any other option as its parameter.",
            DATABASE_OPTIONS,
        ),
        _URLS,
        _SECRETS,
        _SERVERS.format(options=", ".join(f"`{name}`" for name in SERVER_OPTIONS)),
        _section("## [http]", "SQL over HTTP (docs/http.md), which is on where there is a principal.", HTTP_OPTIONS),
        _section("## [principals.NAME]", "Who may send SQL over HTTP. Loaded again with SIGHUP.", PRINCIPAL_OPTIONS),
        _section(
            "## [principals.NAME.rules]",
            "What its statements may say (docs/rules.md). `[statements]` of the file gives SQL its name: "
            '`item = "SELECT ..."`.',
            CONTENT_OPTIONS,
        ),
        _section("## [locks]", "The wait and release service (docs/locks.md).", LOCKS_OPTIONS),
        _section("## [jwt.NAME]", "An issuer of JSON Web Tokens, for `jwt` of principals.", JWT_OPTIONS),
        _section("## [principals.NAME.rules.tables.TABLE]", "What may be done with a table.", TABLE_OPTIONS),
        _section(
            "## [operations.NAME]",
            "A declared operation (docs/operations.md): an endpoint that is a statement, for principals. Loaded again"
            " with SIGHUP.",
            OPERATION_OPTIONS,
        ),
        _section("## [operations.NAME.parameters.NAME]", "What its callers send.", PARAMETER_OPTIONS),
        _section("## [[operations.NAME.steps]]", "A statement of its transaction.", STEP_OPTIONS),
    ]
    return "\n".join(parts)


def _section(title: str, text: str, options: Mapping[str, Option]) -> str:
    rows = [f"| `{o.name}` | {_default(o.default)} | {o.words.replace('|', '/')} | {o.why} |" for o in options.values()]
    return "\n".join([title, "", text, "", "| option | default | values | why |", "|---|---|---|---|", *rows, ""])


def _default(value: object) -> str:
    if value is REQUIRED:
        return "required"
    if value is None or value in ("", (), {}) or isinstance(value, Secret):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f'`"{value}"`' if isinstance(value, str | Address) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
