"""What the reader finds in a statement, what the rules make of it, and what neither knows."""

import pytest

from outlive.config.content import ContentRules, TableRules
from outlive.gateway.rules.canon import Dialect, Reading, Refused, canonical
from outlive.gateway.rules.facts import Facts, Unreadable
from outlive.gateway.rules.functions import words
from outlive.gateway.rules.judge import judge
from outlive.gateway.rules.reader import read

RULES = ContentRules(
    kinds=("select", "insert", "update", "delete", "transaction"),
    tables={
        "users": TableRules(kinds=("select", "update"), read=("id", "name"), write=("name",)),
        "notes": TableRules(),
        "app.*": TableRules(kinds=("select",)),
    },
    functions=("app.mine",),
)


def verdict(dialect: Dialect, sql: str, rules: ContentRules = RULES) -> str:
    """The rule that refuses it, or nothing."""
    try:
        facts = read(dialect, canonical(sql, Reading(dialect, dialect == "mysql")))
        if isinstance(facts, Unreadable):
            return facts.rule
        judge(rules, dialect, facts)
    except Refused as refused:
        return refused.rule
    return ""


BOTH = [
    ("SELECT u.id, count(*) FROM users u JOIN notes n ON n.id = u.id GROUP BY u.id ORDER BY count(*) DESC LIMIT 5", ""),
    ("SELECT id AS secret FROM users ORDER BY secret", ""),
    ("SELECT id FROM users ORDER BY secret", "columns"),
    ("SELECT id AS secret FROM users WHERE secret = 's'", "columns"),
    ("SELECT id AS secret FROM users GROUP BY secret", "columns"),
    ("SELECT * FROM users", "columns"),
    ("SELECT users.* FROM users, notes", "columns"),
    ("SELECT * FROM notes", ""),
    ("SELECT * FROM (SELECT id FROM users) AS s", ""),
    ("SELECT s.secret FROM (SELECT * FROM users) AS s", "columns"),
    ("SELECT n.id FROM notes n NATURAL JOIN users", "columns"),
    ("SELECT n.id FROM notes n JOIN users u USING (secret)", "columns"),
    ("SELECT (SELECT secret) FROM users", "columns"),
    ("SELECT id FROM notes WHERE EXISTS (SELECT 1 FROM users WHERE secret = notes.body)", "columns"),
    ("SELECT id FROM notes UNION SELECT secret FROM users", "columns"),
    ("SELECT x.secret FROM notes x", ""),
    ("SELECT x.secret FROM users x", "columns"),
    ("SELECT row_number() OVER (ORDER BY secret) FROM users", "columns"),
    ("WITH users AS (SELECT * FROM users) SELECT * FROM users", "columns"),
    ("WITH c AS (SELECT id FROM users) SELECT * FROM c", ""),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "tables"),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r", ""),
    ("SELECT 1 FROM other", "tables"),
    ("SELECT 1 FROM app.anything", ""),
    ("DELETE FROM app.anything WHERE id = 1", "tables"),
    ("SELECT 1 FROM public.users", "tables"),
    ("SELECT 1 FROM a.b.c", "unknown"),
    ("SELECT 1 FROM information_schema.tables", "tables"),
    ("INSERT INTO notes (id, body) SELECT id, name FROM users", ""),
    ("INSERT INTO notes (id, body) SELECT id, secret FROM users", "columns"),
    ("INSERT INTO users (id) VALUES (1)", "tables"),
    ("UPDATE users SET name = 's' WHERE id = 1", ""),
    ("UPDATE users SET name = secret WHERE id = 1", "columns"),
    ("UPDATE users SET id = 5 WHERE id = 1", "columns"),
    ("UPDATE users SET name = 's'", "require_where"),
    ("DELETE FROM notes", "require_where"),
    ("DELETE FROM notes WHERE id = 1", ""),
    ("SELECT id FROM users FOR UPDATE", "kinds"),
    ("SELECT app.mine(1), lower('s'), now()", ""),
    ("SELECT app.other(1)", "functions"),
    ("SELECT mine(1)", "functions"),
    ("SELECT first(1), `key`(1)", "functions"),
    ("WITH sleep (x) AS (SELECT 1) SELECT sleep(5)", "functions"),
    ("SAVEPOINT a", ""),
    ("ROLLBACK TO SAVEPOINT a", ""),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", ""),
    ("SET TRANSACTION READ WRITE", "kind"),
    ("COMMIT", "kind"),
    ("TRUNCATE notes", "kind"),
    ("DROP TABLE notes", "kind"),
    ("CREATE TABLE x (a int)", "kind"),
    ("GRANT SELECT ON users TO x", "kind"),
    ("EXPLAIN SELECT secret FROM users", "kind"),
    ("CALL p()", "kind"),
    ("LOCK TABLES users READ", "kind"),
    ("PREPARE x FROM 'SELECT 1'", "kind"),
]
POSTGRES = [
    ("SELECT u FROM users u", "columns"),
    ("SELECT to_jsonb(u) FROM users u", "columns"),
    ("SELECT row(u.*) FROM users u", "columns"),
    ("SELECT (u).name FROM users u", "unknown"),
    ("SELECT id FROM users AS u (secret, id, name)", "columns"),
    ("SELECT j.secret FROM (users u JOIN notes n ON true) j", "unknown"),
    ("SELECT id FROM notes, LATERAL (SELECT secret FROM users) s", "columns"),
    ("SELECT ctid FROM users", "columns"),
    ("SELECT id FROM USERS", ""),
    ('SELECT id FROM "Users"', "tables"),
    ('SELECT "ID" FROM users', "columns"),
    ("SELECT id INTO x FROM users", "unknown"),
    ("TABLE users", "unknown"),
    ("UPDATE users SET name = 's' WHERE id = 1 RETURNING *", "columns"),
    ("UPDATE users SET name = n.body FROM notes n WHERE n.id = users.id RETURNING users.id", ""),
    ("UPDATE users SET (name, id) = (SELECT 's', 1) WHERE id = 1", "columns"),
    ("DELETE FROM notes USING users WHERE users.secret = notes.body", "columns"),
    ("INSERT INTO notes (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING id", ""),
    ("WITH d AS (DELETE FROM users WHERE id = 1 RETURNING id) SELECT * FROM d", "tables"),
    ("MERGE INTO notes USING users ON true WHEN MATCHED THEN DELETE", "kind"),
    ("COPY users TO STDOUT", "kind"),
    ("DO $$ BEGIN END $$", "kind"),
    ("VACUUM users", "kind"),
    ("LISTEN x", "kind"),
    ("SELECT 'users'::regclass", "unknown"),
    ("SELECT a::mytype FROM notes", "type"),
    ("SELECT a OPERATOR(pg_catalog.=) b FROM notes", "unknown"),
    ("SELECT 1 FROM pg_shadow", "tables"),
    ("SELECT version(), repeat('s', 9)", "functions"),
    ('SELECT "pg_sleep" (1)', "functions"),
    ("SELECT pg_catalog.pg_sleep(1)", "functions"),
    ("SELECT pg_catalog.lower('s')", ""),
    ("SELECT 1 FROM generate_series(1, 5)", "functions"),
    ("SELECT 1 FROM ROWS FROM (pg_sleep(1)) AS x", "unknown"),
    # A function's rows are plain values, of which f.name calls name(f).
    ("SELECT f.ts_stat FROM unnest(ARRAY['select secret from users']) AS f", "functions"),
    ("SELECT f.pg_read_file FROM lower('s') f", "functions"),
    ("SELECT f.nextval FROM notes, LATERAL lower(body) f", "functions"),
    ("SELECT ts_stat.ts_stat FROM unnest(ARRAY['s']) AS ts_stat (x)", "functions"),
    ("SELECT id FROM notes WHERE (SELECT e.pg_sleep FROM json_array_elements_text('s') e) IS NULL", "functions"),
    ("SELECT f.f, f.lower FROM lower('s') f", ""),
    ("SELECT f.x, f.lower FROM unnest(ARRAY['s']) AS f (x)", ""),
    ("SELECT e.key, e.value FROM json_each('s') e", ""),
    ('SELECT "APP".mine(1)', "functions"),
    ('SELECT "PG_CATALOG".lower(1)', "functions"),
]
EFFECTS_POSTGRES = """
pg_read_file pg_ls_dir lo_import lo_get dblink dblink_exec set_config current_setting query_to_xml nextval setval
pg_terminate_backend pg_sleep pg_advisory_lock pg_notify txid_current pg_stat_file table_to_xml database_to_xml
pg_reload_conf has_table_privilege to_regclass inet_server_addr
"""
MYSQL = [
    ("SELECT id FROM Users", "tables"),
    ("SELECT ID, `Name` FROM users", ""),
    ("SELECT `SECRET` FROM users", "columns"),
    ("SELECT id FROM users INTO OUTFILE 's'", "parse"),
    ("SELECT id INTO DUMPFILE 's' FROM users", "parse"),
    ("REPLACE INTO notes (id) VALUES (1)", "kind"),
    ("INSERT INTO notes SET id = 1", ""),
    ("INSERT INTO notes (body) VALUES ((SELECT secret FROM users))", "columns"),
    ("INSERT INTO notes (id) VALUES (1) ON DUPLICATE KEY UPDATE body = VALUES(body)", ""),
    ("INSERT INTO notes (id) VALUES (1) ON DUPLICATE KEY UPDATE body = (SELECT secret FROM users)", "columns"),
    ("UPDATE notes n JOIN users u ON u.id = n.id SET n.body = u.secret WHERE n.id = 1", "columns"),
    ("UPDATE notes n, users u SET u.id = 1 WHERE n.id = 1", "columns"),
    ("DELETE u FROM notes n JOIN users u ON u.id = n.id WHERE n.id = 1", "tables"),
    ("HANDLER users OPEN", "parse"),
    ("LOAD DATA INFILE 's' INTO TABLE notes", "parse"),
    ("SHOW TABLES", "kind"),
    ("SET NAMES gbk", "kind"),
    ("USE mysql", "kind"),
    ("SELECT 1 FROM mysql.user", "tables"),
    ("SELECT 1 FROM DUAL", ""),
    ("SELECT a FROM notes WHERE MATCH (a) AGAINST ('s' IN BOOLEAN MODE)", ""),
    ("SELECT SLEEP (1), `sleep`(1), sleep/**/(1)", "functions"),
    # ON DUPLICATE KEY UPDATE sees the tables of the SELECT.
    ("INSERT INTO notes (id) SELECT id FROM users ON DUPLICATE KEY UPDATE body = secret", "columns"),
    ("INSERT INTO notes (id) SELECT n.id FROM users n ON DUPLICATE KEY UPDATE body = n.secret", "columns"),
    ("INSERT INTO notes (id) SELECT n.id FROM users n ON DUPLICATE KEY UPDATE body = n.name", ""),
    ("INSERT INTO notes (id) SELECT id FROM users AS notes ON DUPLICATE KEY UPDATE body = notes.secret", "columns"),
    # What a multiple-table DELETE ends is said by the names after USING.
    ("DELETE FROM notes USING users AS notes WHERE notes.id = 1", "tables"),
    ("DELETE FROM notes USING notes JOIN users ON users.id = notes.id WHERE notes.id = 1", ""),
    ("DELETE FROM Notes USING users AS NOTES WHERE notes.id = 1", "tables"),
    # A string may be a name, which is not known here.
    ("SELECT id 'x' FROM users ORDER BY s", "unknown"),
    ("SELECT id AS 'x' FROM users ORDER BY s", "unknown"),
    ("SELECT id AS `s` FROM users ORDER BY s", ""),
]
EFFECTS_MYSQL = "load_file sleep benchmark get_lock release_lock user uuid_short sys_exec name_const"


@pytest.mark.parametrize(("sql", "rule"), BOTH)
def test_both(sql: str, rule: str) -> None:
    either = {rule, "parse", "kind", "unknown"} if rule else {rule}
    assert verdict("mysql", sql) in either
    assert verdict("postgres", sql.replace("`", '"')) in either


@pytest.mark.parametrize(("sql", "rule"), POSTGRES)
def test_postgres(sql: str, rule: str) -> None:
    assert verdict("postgres", sql) == rule


@pytest.mark.parametrize(("sql", "rule"), MYSQL)
def test_mysql(sql: str, rule: str) -> None:
    assert verdict("mysql", sql) == rule


def test_rows_of_a_subquery_are_locked_too() -> None:
    tables = {"users": TableRules(kinds=("select",)), "notes": TableRules(kinds=("select", "lock"))}
    rules = ContentRules(kinds=("select",), tables=tables)
    assert verdict("postgres", "SELECT id FROM notes FOR UPDATE", rules) == ""
    assert verdict("postgres", "SELECT id FROM (SELECT id FROM users) AS q FOR UPDATE", rules) == "tables"
    joined = "SELECT id FROM notes, (SELECT id FROM users) q FOR SHARE"
    assert verdict("postgres", joined, rules) == "tables"


def test_functions_with_effects() -> None:
    for name in words(EFFECTS_POSTGRES):
        assert verdict("postgres", f"SELECT {name}('s')") == "functions", name
    for name in words(EFFECTS_MYSQL):
        assert verdict("mysql", f"SELECT {name}('s')") == "functions", name


def test_what_clients_send() -> None:
    """Texts of query builders pass where tables and functions are listed."""
    wide = ContentRules(kinds=RULES.kinds, tables={"*": TableRules()})
    for sql in (
        'select "id", "name" from "users" where "users"."id" = $1 limit $2',
        'insert into "users" ("id", "name") values (default, $1) returning "id", "name"',
        'select "u"."id", (select json_agg(agg) from (select "n"."id" from "notes" as "n") as agg) from "users" as "u"',
        "SELECT users.id AS users_id FROM users WHERE users.name ILIKE $1 ORDER BY users.id ASC NULLS LAST OFFSET 5",
        "SELECT CAST($1 AS VARCHAR) AS anon_1, a::int[], b AT TIME ZONE 'UTC', extract(epoch FROM b) FROM notes",
        "SELECT DISTINCT ON (a) a, sum(b) FILTER (WHERE c) OVER w FROM notes WINDOW w AS (PARTITION BY a)",
        "SELECT a FROM notes WHERE a = ANY($1) AND b @> $2 AND c BETWEEN 1 AND 2 AND d IS DISTINCT FROM e",
    ):
        assert verdict("postgres", sql, wide) == "", sql
    for sql in (
        "select `id`, `name` from `users` where `users`.`id` = ? limit ?, ?",
        "insert into `users` (`id`, `name`) values (default, ?) on duplicate key update `name` = values(`name`)",
        "SELECT IFNULL(a, 1), GROUP_CONCAT(DISTINCT b ORDER BY c SEPARATOR ','), DATE_ADD(d, INTERVAL 1 DAY) FROM t",
        "SELECT CAST(a AS CHAR), CONVERT(b, SIGNED), a->>'$.x', a DIV 2, a <=> b FROM notes WHERE a REGEXP 'x'",
    ):
        assert verdict("mysql", sql, wide) == "", sql
    assert verdict("postgres", "SELECT 1 FROM pg_class", wide) == "tables"
    assert verdict("postgres", "SELECT 1 FROM app.notes", wide) == "tables"


def test_the_row_that_is_inserted_can_be_read_by_mysql() -> None:
    facts = read("mysql", "INSERT INTO users ( name ) VALUES ( secret )")
    assert isinstance(facts, Facts)
    assert ("users", "read", "secret") in facts.columns


def test_facts_are_the_same_for_all_literals() -> None:
    literals = ("'a'", "'it''s'", "$$x$$", "E'\\''")
    texts = {canonical(f"SELECT id FROM users WHERE name = {one}", Reading("postgres", False)) for one in literals}
    assert len(texts) == 1
    assert isinstance(read("postgres", texts.pop()), Facts)


def test_what_is_deep_or_long_is_refused_and_not_a_crash() -> None:
    assert verdict("postgres", "SELECT " + "(" * 3000 + "1" + ")" * 3000) == "parse"
    assert verdict("postgres", "SELECT " + "-".join(["a "] * 3000) + " FROM notes") in ("", "parse")


def test_mysql_has_no_case_in_columns_and_functions() -> None:
    rules = ContentRules(kinds=("select",), tables={"t": TableRules(read=("Id",))}, functions=("Mine",))
    assert verdict("mysql", "SELECT ID, MINE(id) FROM t", rules) == ""
    assert verdict("postgres", "SELECT id FROM t", rules) == "columns"
    assert verdict("postgres", 'SELECT "Id" FROM t', rules) == ""
