"""The table of Idempotency-Keys in SQL, for each database. docs/http.md tells it to operators."""

from __future__ import annotations

from typing import Final, NamedTuple

FORGOTTEN_AT_ONCE: Final = 500


class KeyTable(NamedTuple):
    """Statements; `{table}` is the configuration's name.

    `claim`: id, principal, digest of the request, seconds; it affects no row where the key is there and its time is
    not over. `keep`: answer, id. `look`: id. `forget` is bounded.
    """

    create: str
    claim: str
    look: str
    keep: str
    forget: str


POSTGRESQL: Final = KeyTable(
    create=(
        "CREATE TABLE IF NOT EXISTS {table} (id char(64) PRIMARY KEY, principal varchar(255) NOT NULL,"
        " request char(64) NOT NULL, answer bytea, expires_at timestamptz NOT NULL, UNIQUE (expires_at, id))"
    ),
    claim=(
        "INSERT INTO {table} AS kept (id, principal, request, expires_at)"
        " VALUES ($1, $2, $3, clock_timestamp() + CAST($4 AS int) * interval '1 second')"
        " ON CONFLICT (id) DO UPDATE SET principal = EXCLUDED.principal, request = EXCLUDED.request, answer = NULL,"
        " expires_at = EXCLUDED.expires_at WHERE kept.expires_at <= clock_timestamp()"
    ),
    look="SELECT request, answer FROM {table} WHERE id = $1 AND expires_at > clock_timestamp()",
    keep="UPDATE {table} SET answer = $1 WHERE id = $2",
    forget=(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at <= clock_timestamp()"
        f" ORDER BY expires_at LIMIT {FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)"
    ),
)

_OVER: Final = "expires_at <= UTC_TIMESTAMP(6)"
MYSQL: Final = KeyTable(
    create=(
        "CREATE TABLE IF NOT EXISTS {table} (id char(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,"
        " principal varchar(255) CHARACTER SET utf8mb4 NOT NULL, request char(64) CHARACTER SET ascii NOT NULL,"
        " answer longblob, expires_at datetime(6) NOT NULL, KEY (expires_at)) ENGINE=InnoDB"
    ),
    # The assignments see each other's results from left to right: that of the time comes last.
    claim=(
        "INSERT INTO {table} (id, principal, request, expires_at)"
        " VALUES (?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? SECOND) ON DUPLICATE KEY UPDATE"
        f" principal = IF({_OVER}, VALUES(principal), principal), request = IF({_OVER}, VALUES(request), request),"
        f" answer = IF({_OVER}, NULL, answer), expires_at = IF({_OVER}, VALUES(expires_at), expires_at)"
    ),
    look="SELECT request, answer FROM {table} WHERE id = ? AND expires_at > UTC_TIMESTAMP(6)",
    keep="UPDATE {table} SET answer = ? WHERE id = ?",
    forget=f"DELETE FROM {{table}} WHERE {_OVER} ORDER BY expires_at LIMIT {FORGOTTEN_AT_ONCE}",
)
