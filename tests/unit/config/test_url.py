import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outlive.config.addresses import Address
from outlive.config.url import UrlError, parse_url


def test_all_parts() -> None:
    url = parse_url(
        "mysql://app:p%40s%2Fs@DB1.example,db2:3307,[::1]:3308/shop?max_connections=20&acquire_timeout_s=1.5"
    )
    assert url.scheme == "mysql"
    assert url.hosts == (Address("db1.example", 3306), Address("db2", 3307), Address("::1", 3308))
    assert (url.user, url.password, url.database) == ("app", "p@s/s", "shop")
    assert url.options == {"max_connections": "20", "acquire_timeout_s": "1.5"}
    assert url.shows_password


@pytest.mark.parametrize(
    "scheme", ["mysql", "MySQL", "mariadb", "mysql+pymysql", "mysql+asyncmy", "mariadb+mariadbconnector"]
)
def test_schemes_as_users_write_them(scheme: str) -> None:
    assert parse_url(f"{scheme}://h").scheme == "mysql"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL", "postgresql+psycopg", "postgresql+asyncpg"])
def test_postgresql_as_users_write_it(scheme: str) -> None:
    url = parse_url(f"{scheme}://app@db,db2:1/shop?sslmode=verify-full&sslrootcert=/ca&target_session_attrs=read-write")
    assert url.scheme == "postgresql"
    assert url.hosts == (Address("db", 5432), Address("db2", 1))
    assert url.options == {"tls": "verify-identity", "tls_ca": "/ca"}


def test_what_may_be_left_out() -> None:
    url = parse_url("mysql://h")
    assert (url.user, url.password, url.database, url.options) == ("", None, "", {})
    assert not parse_url("mysql://u:@h/").shows_password
    assert not parse_url("mysql://u@h/?password_env=A").shows_password
    assert parse_url("mysql://u@h/?password=a+b").shows_password
    assert parse_url("mysql://u@h?password=a+b%26").options["password"] == "a+b&"


def test_an_at_in_the_password_works_unescaped() -> None:
    url = parse_url("mysql://u:a@b:c#d@h/x")
    assert (url.user, url.password, url.hosts) == ("u", "a@b:c#d", (Address("h", 3306),))


def test_bytes_that_are_not_utf8_pass() -> None:
    password = parse_url("mysql://u:%ff@h").password
    assert password is not None
    assert password.encode("utf-8", "surrogateescape") == b"\xff"


@pytest.mark.parametrize(
    ("query", "tls"),
    [
        ("sslmode=disable", "disabled"),
        ("ssl-mode=REQUIRED", "required"),
        ("ssl_mode=VERIFY_CA", "verify-ca"),
        ("sslmode=verify-full", "verify-identity"),
        ("ssl-mode=VERIFY_IDENTITY", "verify-identity"),
        ("ssl=true", "verify-identity"),
        ("useSSL=false", "disabled"),
        ("tls=1", "verify-identity"),
        ("tls=verify-ca", "verify-ca"),
    ],
)
def test_tls_as_drivers_write_it(query: str, tls: str) -> None:
    assert parse_url(f"mysql://h/?{query}").options == {"tls": tls}


def test_tls_files_as_drivers_write_them() -> None:
    options = parse_url("mysql://h/?ssl-ca=/a%20b&ssl_cert=/c&sslkey=/d").options
    assert options == {"tls_ca": "/a b", "tls_cert": "/c", "tls_key": "/d"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a database URL"),
        ("h:3306/db", "not a database URL"),
        ("mysql:/h", "not a database URL"),
        ("jdbc:mysql://h/db", "not a database URL"),
        ("oracle://h/db", "scheme oracle"),
        ("postgresql://h/db?target_session_attrs=any", "the hosts of a URL are writers"),
        ("postgresql://h:0/db", "port"),
        ("postgresql:///db", "no host"),
        ("redis://h/0/1", "more than one part"),
        ("tcp://h", "no valid port"),
        ("tcp://", "names no host"),
        ("mysql://", "no host"),
        ("mysql:///db", "no host"),
        ("mysql://u:p@/db", "no host"),
        ("mysql://h,,g/db", "no host"),
        ("mysql://h:99999/db", "port"),
        ("mysql://h/a/b", "more than one part"),
        ("mysql://h/?sslmode=prefer", "switch TLS off"),
        ("mysql://h/?sslmode=maybe", "not possible"),
        ("mysql://h/?a=1&a=2", "given twice"),
        ("mysql://h/?ssl-mode=required&tls=disabled", "given twice"),
        ("mysql://h/?nonsense", "not name=value"),
        ("mysql://h/" + "x" * 9000, "characters"),
    ],
)
def test_refusals(url: str, words: str) -> None:
    with pytest.raises(UrlError, match=words) as caught:
        parse_url(url)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hun/ter2@h/db",
        "mysql://u:hun?ter2@h/db",
        "mysql://u:hun?ter2=1@h/db",
        "mysql://u:hun@ter/2@h/db",
        "mysql://u:h@hun?ter2@h/db",
        "mysql://u:hun:ter2@h:x/db",
        "mysql://u:hunter@h:x/db?ter2",
    ],
)
def test_no_error_quotes_a_password(url: str) -> None:
    with pytest.raises(UrlError) as caught:
        parse_url(url)
    error = caught.value
    said = f"{error} {error.sentence} {error.remedy} {error.parameter}"
    assert "hun" not in said
    assert "ter2" not in said


def test_repr_hides_the_password() -> None:
    assert "hunter2" not in repr(parse_url("mysql://u:hunter2@h/?password=hunter2"))


@given(st.text(max_size=60))
@example("a:@h/?b=%")
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    for url in (text, f"mysql://{text}"):
        try:
            assert parse_url(url).hosts
        except UrlError:
            pass
