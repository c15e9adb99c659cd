"""PostgreSQL clients log in by every method, with libpq on one side and both servers on the other."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from outlive.wire.postgres.constants import AUTHENTICATION
from outlive.wire.postgres.messages import parse_authentication
from tests.servers import OutliveProcess, PostgresServer
from tests.servers.certificates import Certificates
from tests.servers.database import APP, APP2, NO_PASSWORD, Account
from tests.servers.postgres import CERTIFIED, CLEAR, MD5

from .raw_postgres import Raw

Start = Callable[..., OutliveProcess]
TLS = """\
tls_cert = "{0.server_cert}"
tls_key = "{0.server_key}"
"""


def tls(more: str = "") -> str:
    return TLS.format(Certificates.shared()) + more


def entry(pg: PostgresServer, options: str = "", users: tuple[Account, ...] = (), name: str = "test") -> str:
    listed = "".join(f'{account.user} = "{account.password}"\n' for account in users)
    return (
        f'[databases."{name}"]\nurl = "{pg.url()}"\nmax_connections = 5\n{options}\n'
        f'[databases."{name}".users]\n{listed}\n'
    )


def who(node: OutliveProcess, account: Account = APP, **options: object) -> str:
    with node.pg(account, **options) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture(scope="module")
def secure(pg: PostgresServer) -> Iterator[OutliveProcess]:
    """With TLS, and all users listed."""
    with OutliveProcess(tls() + entry(pg, 'tls = "required"', users=(APP2, MD5, CLEAR))) as node:
        yield node


def test_scram(secure: OutliveProcess) -> None:
    for account in (APP, APP2, MD5, CLEAR):  # whatever the server asks Outlive for
        assert who(secure, account, sslmode="disable", require_auth="scram-sha-256") == account.user


def test_scram_bound_to_the_connection(secure: OutliveProcess) -> None:
    ca = str(Certificates.shared().ca)
    found = who(secure, channel_binding="require", sslmode="verify-full", sslrootcert=ca, host="localhost")
    assert found == APP.user
    assert who(secure, channel_binding="disable", sslmode="require") == APP.user


def test_a_man_in_the_middle_of_the_list_of_mechanisms_is_noticed(secure: OutliveProcess) -> None:
    """A client that says it could bind, and was not offered to: the list was changed on its way."""
    raw = Raw(secure.pg_port)
    raw.secure()
    raw.start()
    code, mechanisms = parse_authentication(raw.until(AUTHENTICATION)[AUTHENTICATION][0])
    assert (code, mechanisms) == (10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
    first = b"y,,n=,r=abcdefghijklmnopqrstuvwx"
    body = b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first
    raw.send(b"p" + (len(body) + 4).to_bytes(4, "big") + body)
    assert raw.error().message == b"SCRAM channel binding negotiation error"


def test_wrong_passwords_and_unknown_users_get_the_same(secure: OutliveProcess) -> None:
    said = []
    for account in (Account(APP.user, "wrong"), Account(APP.user, ""), Account("nobody", "x"), Account("näme", "x")):
        with pytest.raises(psycopg.OperationalError) as caught:
            who(secure, account, password=account.password or "no password", sslmode="require")
        said.append(str(caught.value).partition("FATAL:  ")[2].replace(account.user, "USER"))
    assert set(said) == {'password authentication failed for user "USER"'}


def test_an_unknown_user_cannot_be_told_from_a_known_one(secure: OutliveProcess) -> None:
    """The salt of either stays the same from login to login, and has the same length."""
    seen = {}
    for user in (APP.user, "nobody", APP.user, "nobody"):
        raw = Raw(secure.pg_port)
        raw.start(Account(user, ""))
        raw.until(AUTHENTICATION)
        first = b"n,,n=,r=abcdefghijklmnopqrstuvwx"
        body = b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first
        raw.send(b"p" + (len(body) + 4).to_bytes(4, "big") + body)
        payload = raw.until(AUTHENTICATION)[AUTHENTICATION][0]
        raw.close()
        salt = payload.split(b",s=")[1]
        assert seen.setdefault(user, salt) == salt
    assert len({len(salt) for salt in seen.values()}) == 1


def test_md5(outlive: Start, pg: PostgresServer) -> None:
    stored = Account(APP2.user, "md5" + "0" * 32)
    node = outlive(entry(pg, 'client_auth = "md5"', users=(MD5, stored)))
    assert who(node, MD5, require_auth="md5") == MD5.user
    assert who(node, APP, require_auth="md5") == APP.user
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account(MD5.user, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account("nobody", "x"))


def test_secrets_as_the_server_stores_them(outlive: Start, pg: PostgresServer) -> None:
    """Outlive knows no password then: what the client proves is what logs in at the server."""
    stored = dict(pg.query("SELECT rolname, rolpassword FROM pg_authid"))
    users = tuple(Account(account.user, str(stored[account.user])) for account in (APP2, MD5))
    node = outlive(entry(pg, users=users))
    assert who(node, APP2, require_auth="scram-sha-256") == APP2.user
    assert who(node, MD5, require_auth="md5") == MD5.user
    for account in (APP2, MD5):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            who(node, Account(account.user, "wrong"))


def test_clear_passwords_over_tls_only(outlive: Start, pg: PostgresServer) -> None:
    node = outlive(tls() + entry(pg, 'client_auth = "password"'))
    assert who(node, sslmode="require", require_auth="password") == APP.user
    with pytest.raises(psycopg.OperationalError, match="over TLS only"):
        who(node, sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account(APP.user, "wrong"), sslmode="require")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account("nobody", "wrong"), sslmode="require")


def test_certificates_on_both_sides(outlive: Start, pg: PostgresServer) -> None:
    issued = Certificates.shared()
    own = f'tls_ca = "{issued.ca}"\ntls_cert = "{issued.client_cert}"\ntls_key = "{issued.client_key}"\n'
    text = tls(f'tls_client_ca = "{issued.ca}"\n') + entry(pg, f'client_auth = "cert"\ntls = "verify-ca"\n{own}')
    node = outlive(text)
    shown = {"sslmode": "require", "sslcert": str(issued.client_cert), "sslkey": str(issued.client_key)}
    assert who(node, CERTIFIED, password=None, require_auth="none", **shown) == CERTIFIED.user
    with pytest.raises(psycopg.OperationalError, match='certificate authentication failed for user "app"'):
        who(node, APP, **shown)
    with pytest.raises(psycopg.OperationalError):  # TLS itself refuses those that show none
        who(node, CERTIFIED, sslmode="require")
    with pytest.raises(psycopg.OperationalError, match='certificate authentication failed for user "client"'):
        who(node, CERTIFIED, sslmode="disable", password="x")


def test_tls_can_be_required(outlive: Start, pg: PostgresServer) -> None:
    node = outlive(tls("tls_required = true\n") + entry(pg))
    with pytest.raises(psycopg.OperationalError, match="connections without TLS are refused by Outlive"):
        who(node, sslmode="disable")
    assert who(node, sslmode="require") == APP.user
    assert who(node, sslmode="prefer") == APP.user


def test_a_user_without_a_password_logs_nobody_in(outlive: Start, pg: PostgresServer) -> None:
    node = outlive(entry(pg, users=(Account(NO_PASSWORD.user, ""),)))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account(NO_PASSWORD.user, "x"))
    raw = Raw(node.pg_port)
    raw.start(NO_PASSWORD)
    with pytest.raises(AssertionError, match="password authentication failed"):
        raw.authenticate(Account(NO_PASSWORD.user, "anything"))


def test_no_password_shows_anywhere(secure: OutliveProcess) -> None:
    with pytest.raises(psycopg.OperationalError):
        who(secure, Account(APP.user, "hunter2"))
    for secret in ("hunter2", APP.password, APP2.password, MD5.password, CLEAR.password):
        assert secret not in secure.log
        assert secret not in secure.get("/metrics")[1]
