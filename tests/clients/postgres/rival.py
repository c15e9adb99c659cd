"""The other client of PostgreSQL's: it takes the only server connection whenever that is free, and leaves it changed."""

from __future__ import annotations

from typing import Any, cast

import psycopg

from ...servers import PostgresServer
from ..rival import Rival
from .target import Target

_STATEMENTS = (
    "SET search_path = rival",
    "SELECT current_schemas(false)::text, v FROM only_here",
    "SET timezone = 'Asia/Tokyo'",
    "SET datestyle = 'German, DMY'",
    "SELECT (timestamptz '2024-02-01 00:00:00+00')::text, (date '2024-02-03')::text",
    "SET client_encoding = 'LATIN1'",
    "SELECT 'naïve', current_setting('client_encoding')",
    "INSERT INTO rival.log (v) VALUES ('x') RETURNING id > 1000000",
    "SET bytea_output = 'escape'",
    "SELECT '\\x00ff'::bytea::text",
    "SELECT * FROM no_such_table",
    "SET app.tenant = 'rival'",
    "SELECT current_setting('app.tenant')",
    "SET standard_conforming_strings = off",
    "SELECT 'a\\\\b', 1 UNION ALL SELECT 'c', 2 ORDER BY 2",
    "SET ROLE rival_role",
    "SELECT current_user, session_user",
    "SET default_transaction_isolation = 'serializable'",
    "SELECT current_setting('transaction_isolation')",
    "BEGIN",
    "SET LOCAL extra_float_digits = -5",
    "INSERT INTO rival.log (v) VALUES ('rolled back')",
    "SELECT (1/i::float8)::text, (SELECT count(*) FROM rival.log WHERE v = 'rolled back') FROM generate_series(3, 3) i",
    "ROLLBACK",
    "SELECT (1/i::float8)::text, (SELECT count(*) FROM rival.log WHERE v = 'rolled back') FROM generate_series(3, 3) i",
    "RESET ROLE",
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
)

_BACK = _STATEMENTS[_STATEMENTS.index("RESET ROLE") :]

_PREPARATION = (
    "DROP SCHEMA IF EXISTS rival CASCADE",
    "CREATE SCHEMA rival",
    "DROP ROLE IF EXISTS rival_role",
    "CREATE ROLE rival_role",
    "GRANT rival_role TO app",
    "CREATE TABLE rival.only_here AS SELECT 'in the schema of the rival' AS v",
    "CREATE TABLE rival.log (id serial PRIMARY KEY, v text)",
    "SELECT setval('rival.log_id_seq', 1000001)",
    "GRANT USAGE ON SCHEMA rival TO app, rival_role",
    "GRANT ALL ON ALL TABLES IN SCHEMA rival TO app, rival_role",
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA rival TO app, rival_role",
)


def prepare(server: PostgresServer) -> None:
    """What it works with."""
    with server.connect() as connection:
        for statement in _PREPARATION:
            connection.execute(statement)  # type: ignore[call-overload]


def rival(target: Target, *, transactions: bool = True) -> Rival:
    """One that speaks psycopg 3, and so after its first rounds by prepared statements.

    Without `transactions` it never holds the connection between two statements: for a client that keeps Python's lock
    while it waits for it, so that the rival could not go on.
    """
    return Rival(
        lambda: psycopg.connect(**cast("dict[str, Any]", target.conninfo), autocommit=True),
        errors=psycopg.Error,
        statements=_STATEMENTS if transactions else _STATEMENTS[: _STATEMENTS.index("BEGIN")] + _BACK,
        code=lambda error: error.sqlstate,
    )
