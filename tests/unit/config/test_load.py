import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.config import Address, Config, ConfigError, Origin, load, reload
from outlive.config.database import database_of_table
from outlive.config.locks import may_use
from outlive.config.options import DATABASE_OPTIONS
from outlive.config.rules import advice, descriptors_needed

PLENTY = 1 << 20


def from_text(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "outlive.toml"
    path.write_text(text)
    return load(Origin(path=str(path)), environ, file_limit=PLENTY)


def from_urls(*urls: str, flags: dict[str, str] | None = None, **environ: str) -> Config:
    return load(Origin(urls=urls, flags=flags or {}), environ, file_limit=PLENTY)


def refused(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        from_text(tmp_path, text, **environ)
    for problem in caught.value.problems:
        assert problem.sentence.endswith(".")
        assert problem.remedy.endswith((".", "?"))
    return [str(problem).removeprefix(str(tmp_path)) for problem in caught.value.problems]


SHOP = '[databases.shop]\nurl = "mysql://app:x@db/shop"\n'
PG = '[databases.pg]\nurl = "postgresql://app:x@db/pg"\n'


def test_a_url_is_enough() -> None:
    config = from_urls(
        "mysql://app:p%40ss@db1,db2:3307/shop?max_connections=7&min_idle=2&passthrough=true&replicas=r1,r2:1"
    )
    assert list(config.databases) == ["shop"]
    shop = config.databases["shop"]
    assert shop.hosts == (Address("db1", 3306), Address("db2", 3307))
    assert shop.replicas == (Address("r1", 3306), Address("r2", 1))
    assert (shop.database, shop.user, shop.password.read()) == ("shop", "app", b"p@ss")
    assert (shop.max_connections, shop.min_idle, shop.passthrough) == (7, 2, True)
    assert config.listen.mysql == Address("127.0.0.1", 6033)
    assert list(config.servers()) == [*shop.hosts, *shop.replicas]


def test_a_url_without_a_database_serves_any() -> None:
    config = from_urls("mysql://app@db")
    assert config.databases["*"].database == ""
    assert config.databases["*"].password.read() == b""


def test_everything_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "from env")
    for name in ("secret", "cert", "key"):
        (tmp_path / name).write_text("from file\n")
    config = from_text(
        tmp_path,
        f"""
node = 2047
log_level = "debug"
max_clients = 100
login_timeout_s = 5
drain_delay_s = 0.5
proxy_protocol = "required"
proxy_protocol_trusted = ["10.0.0.0/8", "::1"]
tls_cert = "{tmp_path}/cert"
tls_key = "{tmp_path}/key"
tls_required = true

[listen]
mysql = "0.0.0.0:3306"
http = "[::1]:0"
admin = "127.0.0.1:9000"

[databases.shop]
hosts = ["db1", "db2:3307"]
user = "app"
password_env = "SOME_PASSWORD"
database = "shop_v2"
tls = "verify-ca"
pin_functions = ["set_tenant"]
max_per_key = 3

[databases.shop.users]
plain = "literal"
filed = {{ file = "{tmp_path}/secret" }}
called = {{ command = "echo from command" }}

[databases."*"]
url = "mysql://app@db1?password_env=SOME_PASSWORD"
tls = "verify-ca"
""",
    )
    assert (config.node, config.log_level, config.login_timeout_s, config.tls_required) == (2047, "debug", 5.0, True)
    assert config.listen.http == Address("::1", 0)
    shop = config.databases["shop"]
    assert shop.database == "shop_v2"
    assert {user: secret.read() for user, secret in shop.users.items()} == {
        "plain": b"literal",
        "filed": b"from file",
        "called": b"from command",
    }
    assert shop.password.read() == b"from env"
    assert config.databases["*"].max_per_key == 3
    assert "literal" not in repr(config).replace("a literal", "")


def test_the_environment_and_flags_win(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('max_clients = 1\nlog_level = "error"\n[listen]\nmysql = "a:1"\nhttp = "a:2"\n' + SHOP)
    environ = {
        "OUTLIVE_CONFIG": str(path),
        "OUTLIVE_URL": "mysql://app:x@db/log mysql://app:x@db",
        "OUTLIVE_MAX_CLIENTS": "2",
        "OUTLIVE_LOG_LEVEL": "debug",
        "OUTLIVE_MYSQL": "b:1",
        "OUTLIVE_PROXY_PROTOCOL_TRUSTED": "10.0.0.0/8, ::1",
        "OUTLIVE_TLS_REQUIRED": "",
        # What an orchestrator adds for a service that is called outlive.
        "OUTLIVE_PORT": "tcp://10.0.0.1:6033",
        "OUTLIVE_SERVICE_HOST": "10.0.0.1",
    }
    config = load(Origin(flags={"listen.mysql": "c:1", "log_level": "info"}), environ, file_limit=PLENTY)
    assert list(config.databases) == ["shop", "log", "*"]
    assert (config.max_clients, config.log_level) == (2, "info")
    assert (config.listen.mysql, config.listen.http) == (Address("c", 1), Address("a", 2))
    assert config.proxy_protocol_trusted == ("10.0.0.0/8", "::1")
    config = load(Origin(urls=("mysql://u@h/x",)), environ, file_limit=PLENTY)
    assert list(config.databases) == ["shop", "x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node = 2048\n" + SHOP, ":1: node: node is 2048 but must be a whole number from 0 to 2047."),
        ("node = true\n" + SHOP, ":1: node: node is true but must be"),
        ('node = "1"\n' + SHOP, ':1: node: node is "1" but must be'),
        ("max_clientz = 1\n" + SHOP, "Did you mean max_clients?"),
        ("origin = 1\n" + SHOP, "origin is not known"),
        ('log_level = "loud"\n' + SHOP, '"debug", "info", "warning" or "error"'),
        ("listen = 1\n" + SHOP, "listen must be a table"),
        ("[listen]\nvalkey = 'a:1'\n" + SHOP, ":2: listen.valkey: The option valkey is not known."),
        ("[listen]\nmysql = 'a:1'\npostgres = 'a:1'\n" + SHOP, "postgres and mysql both listen on a:1"),
        ("[listen]\nmysql = 'a'\n" + SHOP, ":2: listen.mysql: mysql: 'a' has no valid port"),
        ("[listen]\nmysql = 1\n" + SHOP, "an address is text"),
        ("[listen]\nmysql = 'a:1'\nhttp = 'a:1'\n" + SHOP, ":3: listen.http: http and mysql both listen on a:1."),
        ("databases = 1", "databases must be tables"),
        ("databases.a = 1", "databases.a must be a table"),
        ("", "no database to serve"),
        ("x =", ":1: This is not TOML"),
        ("a = 1\na = 2", ":2: This is not TOML"),
        ('proxy_protocol = "required"\n' + SHOP, "no network is trusted"),
        ('proxy_protocol_trusted = ["10.0.0.1/8"]\n' + SHOP, ":1: proxy_protocol_trusted: 10.0.0.1/8 is not a network"),
        ('tls_cert = "/nonexistent"\n' + SHOP, "/nonexistent cannot be read"),
        ('tls_cert = "/etc/passwd"\n' + SHOP, "tls_cert is set but tls_key is not"),
        ("tls_required = true\n" + SHOP, "tls_required is set but there is no certificate"),
        ("max_clients = 999999\n" + SHOP * 1 + "max_connections = 90000\n", "open files, but 1048576 are allowed"),
        (SHOP + "max_connections = 1\n", ":3: databases.shop.max_connections: max_connections is 1 but must be"),
        (SHOP + "max_connections = nan\n", "max_connections is nan but"),
        (SHOP + "acquire_timeout_s = nan\n", "acquire_timeout_s is nan but"),
        (SHOP + "acquire_timeout_s = inf\n", "acquire_timeout_s is inf but"),
        (SHOP + "dead_man_s = 20\n", ":3: databases.shop.dead_man_s: dead_man_s (20) must be more than"),
        (SHOP + "ping_interval_s = 60\n", "dead_man_s (60) must be more than ping_interval_s (60)"),
        (SHOP + "min_idle = 20\n", "min_idle (20) must be below max_connections (20)"),
        (SHOP + 'hosts = ["x"]\n', ":3: databases.shop.hosts: hosts is given twice"),
        (SHOP + 'password = "y"\n', ":3: databases.shop.password: password is given twice"),
        (SHOP + 'password_env = "Y"\n', "password and password_env exclude each other"),
        (SHOP + "charset = 'utf8'\n", "It belongs into the application's own connection settings"),
        (SHOP + "tls = 'yes'\n", 'must be "disabled", "required", "verify-ca" or "verify-identity"'),
        (SHOP + "tls_ca = '/etc/passwd'\n", "tls_ca is set but tls is disabled"),
        (SHOP + "users = 1\n", "users must be a table"),
        (SHOP + "users.a = { vault = 'b' }\n", ":3: databases.shop.users.a: users.a is no reference"),
        (SHOP + "users.a = 1\n", "users.a must be text"),
        (SHOP + "users.app = 'x'\n", "The user app is listed twice"),
        (SHOP + "users.b = { env = 'NOT_SET_ANYWHERE' }\n", ":3: databases.shop.users.b: The environment variable"),
        ("[databases.a]\nurl = 1\n", "url must be text"),
        ("[databases.a]\nurl = 'redis://u@h/a'\n", "databases.a.database: Redis has databases 0, 1, 2, but no"),
        (SHOP + "pool_mode = 'session'\n", ":3: databases.shop.pool_mode: pool_mode concerns PostgreSQL only"),
        (SHOP + "channel_binding = 'require'\n", "channel_binding concerns PostgreSQL only, and this is mysql"),
        (PG + "pool_mode = 'statement'\n", 'must be "transaction" or "session"'),
        (PG + "reset = 'never'\n", 'must be "auto" or "always"'),
        (PG + "client_auth = 'cert'\n", "client_auth is cert but no authority of clients' certificates is given"),
        (PG + "max_connections = 0\n", "max_connections is 0 but must be a whole number from 1 to 100000"),
        (PG + "min_idle = 21\n", "min_idle (21) must be at most max_connections (20)."),
        (PG + "scheme = 'mysql'\n", "scheme is given twice"),
        ("[databases.a]\nurl = 'postgres://h/a?passthrough=1&auth_query=x'\n", "there is no user to run it"),
        ("[databases.a]\nurl = 'tcp://h:1'\ntls = 'required'\n", ":3: databases.a.tls: tls has no meaning for tcp."),
        ("[databases.a]\nurl = 'tcp://u@h:1'\n", "user has no meaning for tcp."),
        ("[databases.a]\nurl = 'tcp://h:1'\nmin_idle = 1\n", ":3: databases.a.min_idle: min_idle has no meaning"),
        (
            "[databases.a]\nurl = 'mysql://u@h/a'\nlisten = '127.0.0.1:1'\n",
            "listen concerns TCP only, and this is mysql.",
        ),
        ("[databases.a]\nurl = 'tcp://h:1'\nlisten = 'h'\n", ":3: databases.a.listen: listen: 'h' has no valid port"),
        (
            "[databases.a]\nurl = 'tcp://h:1'\n[databases.b]\nurl = 'tcp://h:2'\n",
            "databases.b.listen: b and a both listen on 127.0.0.1:6700.",
        ),
        ("[databases.a]\nscheme = 'oracle'\nhosts = ['h']\n", 'must be "mysql", "postgresql", "redis" or "tcp"'),
        (SHOP + "[databases.b]\nurl = 'postgres://u@db:3306/b'\n", "b is postgresql and shop is mysql"),
        ("[databases.a]\nuser = 'u'\n", "There is no host"),
        ("[databases.a]\nhosts = []\nuser = 'u'\n", "hosts is [] but must be"),
        ("[databases.a]\nhosts = 3\nuser = 'u'\n", "must be a list of HOST:PORT"),
        ("[databases.a]\nhosts = ['h:x']\nuser = 'u'\n", "'h:x' has no valid port"),
        ("[databases.a]\nhosts = ['h']\n", "no user to log in with"),
        ("[databases.'']\nurl = 'mysql://u@h/a'\n", "A database has no name"),
        ("[databases.'a.ro']\nurl = 'mysql://u@h/a'\n", "which means the replicas"),
        ("[databases.a]\nurl = 'mysql://u@h/a?users=1'\n", "users is no parameter of a URL"),
        ("[databases.a]\nurl = 'mysql://u:x@h/a?password_env=A'\n", "The password is given twice"),
    ],
)
def test_refusals(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in problem for problem in refused(tmp_path, text))


def test_all_problems_come_in_one_go(tmp_path: Path) -> None:
    problems = refused(tmp_path, "node = -1\nnope = 2\n[listen]\nhttp = 3\n" + SHOP + "tls = 3\nmin_idle = -1\n")
    assert len(problems) == 5


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), str(tmp_path), "a\0b"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(Origin(path=path), {})
    (tmp_path / "latin").write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigError, match="latin:2: The file is not UTF-8"):
        load(Origin(path=str(tmp_path / "latin")), {})
    (tmp_path / "big").write_bytes(b"#" * 1048577)
    with pytest.raises(ConfigError, match="more than"):
        load(Origin(path=str(tmp_path / "big")), {})


def test_urls_and_variables_are_named_as_their_sources() -> None:
    with pytest.raises(ConfigError) as caught:
        from_urls("mysql://u@h/a", "mysql://u@h/a", "mysql://h:x", "mysql://u@h/b?max_connections=no", OUTLIVE_NODE="x")
    assert [problem.where() for problem in caught.value.problems] == [
        "environment: OUTLIVE_NODE",
        "command line, URL 2",
        "command line, URL 3",
        "command line, URL 4: max_connections",
    ]
    with pytest.raises(ConfigError, match=r"^OUTLIVE_URL: This is not a database URL"):
        from_urls(OUTLIVE_URL="nonsense")
    with pytest.raises(ConfigError, match=r"^command line: --log-level: log_level is"):
        from_urls("mysql://u@h/a", flags={"log_level": "loud"})


def test_a_postgresql_url_is_enough() -> None:
    config = from_urls("postgres://app:x@db1,db2:6000/shop?max_connections=1&min_idle=1&replicas=r1,[::1]:2")
    shop = config.databases["shop"]
    assert (shop.scheme, shop.database, shop.user) == ("postgresql", "shop", "app")
    assert shop.hosts == (Address("db1", 5432), Address("db2", 6000))
    assert shop.replicas == (Address("r1", 5432), Address("::1", 2))
    assert (shop.max_connections, shop.min_idle) == (1, 1)
    assert (shop.pool_mode, shop.reset, shop.client_auth, shop.channel_binding) == (
        "transaction",
        "auto",
        "scram-sha-256",
        "prefer",
    )
    assert config.listen.of("postgresql") == Address("127.0.0.1", 6432)
    assert config.listen.of("mysql") == Address("127.0.0.1", 6033)
    assert list(config.databases_of("postgresql")) == ["shop"]
    assert config.databases_of("mysql") == {}


def test_options_of_postgresql(tmp_path: Path) -> None:
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"
    options = "pool_mode = 'session'\nreset = 'always'\nmax_per_user = 3\nmax_per_database = 4\ntls = 'required'\n"
    more = f"auth_query = '{query}'\nchannel_binding = 'require'\n"
    config = from_text(tmp_path, PG + options + more, OUTLIVE_POSTGRES="a:1")
    pg = config.databases["pg"]
    assert (pg.pool_mode, pg.reset, pg.max_per_user, pg.max_per_database) == ("session", "always", 3, 4)
    assert (pg.auth_query, pg.channel_binding) == (query, "require")
    assert config.listen.postgres == Address("a", 1)
    config = from_text(tmp_path, "[databases.a]\nscheme = 'postgresql'\nhosts = ['h', 'g:1']\nuser = 'u'\n")
    assert config.databases["a"].hosts == (Address("h", 5432), Address("g", 1))


def test_both_protocols_on_one_node() -> None:
    config = from_urls("mysql://u@h/a", "postgresql://u@h/b?max_connections=3", "postgresql://u@g/c")
    assert list(config.servers("mysql")) == [Address("h", 3306)]
    assert list(config.servers("postgresql")) == [Address("h", 5432), Address("g", 5432)]
    assert descriptors_needed(config) == 10_000 + 20 + 3 + 20 + 64


def test_a_user_may_stand_beside_the_url(tmp_path: Path) -> None:
    config = from_text(tmp_path, "[databases.a]\nurl = 'mysql://h'\nuser = 'u'\npassword = 'p'\ndatabase = 'd'\n")
    a = config.databases["a"]
    assert (a.user, a.password.read(), a.database) == ("u", b"p", "d")


def test_an_entry_is_named_apart_from_its_schema(tmp_path: Path) -> None:
    text = "[databases.a]\nurl = 'mysql://u@h/x'\n[databases.b]\nurl = 'mysql://u@h'\n"
    config = from_text(tmp_path, text)
    assert [database.database for database in config.databases.values()] == ["x", "b"]


def test_databases_on_a_server_share_its_budget() -> None:
    config = from_urls("mysql://u@h1,h2/a?max_connections=9", "mysql://u@h2,h3/b", "mysql://u@h3/c", "mysql://u@h4/d")
    assert [database.max_connections for database in config.databases.values()] == [9, 9, 9, 20]
    assert from_urls("mysql://u@H/a?dead_man_s=99", "mysql://u@h/b").databases["b"].dead_man_s == 99


def test_databases_on_a_server_must_agree(tmp_path: Path) -> None:
    other = '[databases.log]\nurl = "mysql://app:x@other,db/log"\nmax_connections = 6\n'
    problems = refused(tmp_path, SHOP + "max_connections = 5\n" + other)
    assert len(problems) == 1
    assert ":6: databases.log.max_connections: log and shop are on the same server db:3306" in problems[0]
    assert "max_connections 6 and 5" in problems[0]
    with pytest.raises(ConfigError, match="say tls"):
        from_urls("mysql://u@h/a?tls=required", "mysql://u@h/b?tls=verify-ca")


def test_a_user_has_one_password_at_a_server() -> None:
    with pytest.raises(ConfigError, match="different passwords") as caught:
        from_urls("mysql://u:hunter1@h/a", "mysql://u:hunter2@h/b")
    assert "hunter" not in str(caught.value)
    assert from_urls("mysql://u:hunter1@h/a", "mysql://u:hunter2@g/b")


def test_the_file_limit() -> None:
    url = "mysql://u@h,g/a?max_connections=10"
    config = from_urls(url)
    assert descriptors_needed(config) == 10_000 + 20 + 64
    load(Origin(urls=(url,)), {}, file_limit=10_084)
    with pytest.raises(ConfigError, match="Set it to 9999 or less"):
        load(Origin(urls=(url,)), {}, file_limit=10_083)


def test_the_process_own_environment_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLIVE_URL", "mysql://u@h/a")
    monkeypatch.delenv("OUTLIVE_CONFIG", raising=False)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, resource.RLIM_INFINITY))
    assert list(load(Origin()).databases) == ["a"]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 1024))
    with pytest.raises(ConfigError, match="open files"):
        load(Origin())


def test_reload_reads_again_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("node = 1\n" + SHOP)
    config = load(Origin(path=str(path), flags={"log_level": "error"}), {}, file_limit=PLENTY)
    path.write_text("node = 2\n" + SHOP)
    again = reload(config)
    assert (again.node, again.log_level) == (2, "error")
    path.write_text("node = 3\nnode = 4\n" + SHOP)
    with pytest.raises(ConfigError, match=":2: This is not TOML"):
        reload(again)
    with pytest.raises(ConfigError, match="nowhere"):
        reload(Config())


def test_no_secret_is_in_any_repr_or_error() -> None:
    config = from_urls("mysql://u:hunter2@h/a")
    assert "hunter2" not in repr(config) + repr(config.origin)
    with pytest.raises(ConfigError) as caught:
        from_urls("mysql://u:hunter2@h/a?max_connections=1&nope=1&tls=x")
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    assert caught.value.sentence
    assert caught.value.remedy


def test_advice_for_what_is_rarely_meant(tmp_path: Path) -> None:
    assert advice(from_text(tmp_path, SHOP)) == []
    config = from_text(
        tmp_path,
        'drain_timeout_s = 40\n[listen]\nmysql = "0.0.0.0:1"\n'
        + SHOP
        + 'passthrough = true\ntls = "required"\n[databases."*"]\nurl = "mysql://a@x"\n',
    )
    assert {problem.path for problem in advice(config)} == {
        "drain_timeout_s",
        "listen.mysql",
        "databases.shop.tls",
        "databases.shop.passthrough",
        "databases.*",
    }
    assert [p.path for p in advice(from_text(tmp_path, '[listen]\nmysql = "localhost:1"\n' + SHOP))] == []
    open_to_all = '[listen]\nmysql = "0.0.0.0:1"\npostgres = "0.0.0.0:2"\n'
    assert [p.path for p in advice(from_text(tmp_path, open_to_all + PG))] == ["listen.postgres"]
    found = advice(from_text(tmp_path, PG + "passthrough = true\n"))
    assert [p.sentence for p in found] == [
        "Without TLS passed-through users cannot log in: clear passwords are asked for over TLS only."
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_file_is_a_configuration_or_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load(Origin(path=str(path)), {}, file_limit=PLENTY)


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.just("mysql://u@h/a")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*DATABASE_OPTIONS, "url", "password_env", "password_file", "charset"])


@settings(deadline=None)
@given(name=st.text(max_size=5), table=st.dictionaries(NAMES, VALUES, max_size=6))
def test_any_table_is_a_database_or_a_report(name: str, table: dict[str, object]) -> None:
    table.pop("password_command", None)
    problems: list[tuple[str, str, str]] = []
    database, _ = database_of_table(name, table, lambda *problem: problems.append(problem))
    assert (database is None) == bool(problems)


PRINCIPAL = f'[principals.app]\napi_key_sha256 = ["{"a" * 64}"]\ndatabases = ["shop"]\n'


def test_principals(tmp_path: Path) -> None:
    config = from_text(tmp_path, SHOP + PRINCIPAL + "read_only = true\n[http]\nrequest_max_bytes = 5000\n")
    assert config.principals["app"].read_only
    assert config.principals["app"].databases == ("shop",)
    assert config.http.request_max_bytes == 5000


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (SHOP + PRINCIPAL.replace("shop", "other"), "There is no database other."),
        (SHOP + PRINCIPAL.replace("a" * 64, "the-key-itself"), "A hash is no SHA-256"),
        (SHOP + PRINCIPAL.replace('"shop"', '"shop.ro"'), "shop.ro has no replicas."),
        (SHOP + PRINCIPAL + PRINCIPAL.replace("app", "two"), "have the same key"),
        (SHOP.replace("app:x@db/shop", "db/shop?passthrough=true") + PRINCIPAL, "has no user"),
        (SHOP + "[principals.app]\n", "has no databases"),
        (SHOP + "[principals.app]\nwhat = 1\n", "what"),
        (SHOP + "[http]\nwhat = 1\n", "what"),
        ("http = 5\n" + SHOP, "http must be a table"),
    ],
)
def test_wrong_principals(tmp_path: Path, text: str, part: str) -> None:
    problems = refused(tmp_path, text)
    assert any(part in problem for problem in problems), problems
    assert "the-key-itself" not in str(problems)


LOCKS = """
[locks]
database = "shop"
ack_timeout_s = 2.5
[principals.locker]
api_key_sha256 = ["{key}"]
locks = ["orders-*", "one"]
""".replace("{key}", "b" * 64)


def test_locks(tmp_path: Path) -> None:
    text = SHOP.replace("mysql:", "postgresql:") + LOCKS
    config = from_text(tmp_path, text)
    assert (config.locks.database, config.locks.ack_timeout_s) == ("shop", 2.5)
    locks = config.principals["locker"].locks
    assert all(may_use(locks, key) for key in ("orders-1", "orders-", "one"))
    assert not any(may_use(locks, key) for key in ("orders", "one2", "*"))
    for change, part in (
        (('"shop"', '"none"'), "There is no database none."),
        (('database = "shop"', ""), "There is no store of locks."),
        (("ack_timeout_s", "acks"), "acks"),
        (("postgresql:", "mysql:"), "shop is mysql."),
        (("locks = [", "other = ["), "other"),
    ):
        problems = refused(tmp_path, text.replace(*change))
        assert any(part in problem for problem in problems), (part, problems)


def test_entries_of_other_protocols(tmp_path: Path) -> None:
    """Each with its listener; a URL without a path is called as its server."""
    text = """
[databases.cache]
url = "tcp://db1:11211/?max_connections=5"
listen = "0.0.0.0:11211"
evict_after_idle_s = 2
[databases.shop]
url = "postgresql://app@db1/shop"
"""
    config = from_text(tmp_path, text)
    assert config.databases_of("tcp").keys() == {"cache"}
    cache = config.databases["cache"]
    assert (cache.hosts, cache.listen) == ((Address("db1", 11211),), Address("0.0.0.0", 11211))
    assert (cache.database, cache.max_connections, cache.evict_after_idle_s) == ("", 5, 2.0)
    assert load(Origin(urls=("tcp://db1:1433",)), {}).databases.keys() == {"db1:1433"}
