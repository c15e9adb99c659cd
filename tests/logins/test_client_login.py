"""Real clients log in at ClientLogin: each driver and plugin, with TLS and without, users known and passed through."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from itertools import product

import asyncmy
import mysql.connector
import MySQLdb
import pymysql
import pytest

from outlive.auth.mysql import Accepted, Passthrough, Refused
from outlive.auth.mysql.scramble import CACHING_SHA2, NATIVE
from outlive.net.certificates import listener_certificates
from tests.servers.certificates import Certificates

from .door import Door, Start

UNKNOWN = "only the server knows"
Connect = Callable[[Door, str, str, bool], None]


def with_pymysql(door: Door, user: str, password: str, tls: bool) -> None:
    options = {"ssl_ca": str(Certificates.shared().ca), "ssl_verify_identity": True} if tls else {"ssl_disabled": True}
    with pymysql.connect(host="127.0.0.1", port=door.port, user=user, password=password, **options) as connection:
        connection.ping(reconnect=False)


def with_mysqlclient(door: Door, user: str, password: str, tls: bool) -> None:
    options = {"ssl": {"ca": str(Certificates.shared().ca)}} if tls else {"ssl_mode": "DISABLED"}
    connection = MySQLdb.connect(host="127.0.0.1", port=door.port, user=user, passwd=password, **options)
    connection.ping()
    connection.close()


def with_connector(door: Door, user: str, password: str, tls: bool) -> None:
    options = {"ssl_ca": str(Certificates.shared().ca)} if tls else {"ssl_disabled": True}
    connection = mysql.connector.connect(
        host="127.0.0.1", port=door.port, user=user, password=password, use_pure=True, **options
    )
    connection.close()


def with_asyncmy(door: Door, user: str, password: str, tls: bool) -> None:
    async def connect() -> None:
        context = None
        if tls:
            import ssl

            context = ssl.create_default_context(cafile=str(Certificates.shared().ca))
        connection = await asyncmy.connect(host="127.0.0.1", port=door.port, user=user, password=password, ssl=context)
        await connection.ensure_closed()

    asyncio.run(connect())


def with_command_line(door: Door, user: str, password: str, tls: bool) -> None:
    command = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={door.port}", f"--user={user}"]
    command += [f"--password={password}", "--batch", "--execute=DO 1"]
    command += [f"--ssl-ca={Certificates.shared().ca}", "--ssl-verify-server-cert"] if tls else ["--skip-ssl"]
    subprocess.run(command, check=True, capture_output=True, timeout=20)


DRIVERS = [with_pymysql, with_mysqlclient, with_connector, with_asyncmy, with_command_line]


@pytest.fixture
def door() -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def start(plugin: bytes, *, passthrough: bool = False, tls: bool = True) -> Door:
            issued = Certificates.shared()
            certificates = listener_certificates(str(issued.server_cert), str(issued.server_key)) if tls else None
            users = {b"app": b"secret", b"open": b""}
            made = Door(users, plugin=plugin, certificates=certificates, passthrough=passthrough)
            stack.callback(made.close)
            return made

        yield start


@pytest.mark.parametrize("connect", DRIVERS)
@pytest.mark.parametrize(("plugin", "tls"), list(product([NATIVE, CACHING_SHA2], [False, True])))
class TestEachDriver:
    def test_right(self, door: Start, connect: Connect, plugin: bytes, tls: bool) -> None:
        entrance = door(plugin)
        connect(entrance, "app", "secret", tls)
        assert entrance.verdicts == [Accepted(b"app")]

    def test_without_a_password(self, door: Start, connect: Connect, plugin: bytes, tls: bool) -> None:
        entrance = door(plugin)
        connect(entrance, "open", "", tls)
        assert entrance.verdicts == [Accepted(b"open")]

    @pytest.mark.parametrize("wrong", [("app", "wrong"), ("nobody", "secret"), ("app", ""), ("open", "x")])
    def test_wrong(self, door: Start, connect: Connect, plugin: bytes, tls: bool, wrong: tuple[str, str]) -> None:
        user, password = wrong
        entrance = door(plugin)
        with pytest.raises(Exception, match=r"1045|non-zero exit status"):
            connect(entrance, user, password, tls)
        (verdict,) = entrance.verdicts
        assert isinstance(verdict, Refused)
        assert verdict.message.endswith(b"YES)" if password else b"NO)")

    def test_passed_through(self, door: Start, connect: Connect, plugin: bytes, tls: bool) -> None:
        entrance = door(plugin, passthrough=True)
        if connect is with_connector and not tls:
            # It has no RSA and sends the password in the clear, which no server takes, and neither do we.
            with pytest.raises(mysql.connector.Error, match="1045"):
                connect(entrance, "nobody", UNKNOWN, tls)
            return
        connect(entrance, "nobody", UNKNOWN, tls)
        assert entrance.verdicts == [Passthrough(b"nobody", UNKNOWN.encode())]

    def test_known_users_are_not_passed_through(self, door: Start, connect: Connect, plugin: bytes, tls: bool) -> None:
        entrance = door(plugin, passthrough=True)
        connect(entrance, "app", "secret", tls)
        connect(entrance, "open", "", tls)
        assert entrance.verdicts == [Accepted(b"app"), Accepted(b"open")]

    def test_refused_by_the_server(self, door: Start, connect: Connect, plugin: bytes, tls: bool) -> None:
        entrance = door(plugin, passthrough=True)
        with pytest.raises(Exception, match=r"1045|non-zero exit status"):
            connect(entrance, "nobody", "wrong", tls)
        if connect is with_connector and not tls:
            return  # refused before the server was asked, see above
        assert entrance.verdicts == [Passthrough(b"nobody", b"wrong")]


@pytest.mark.parametrize("plugin", [NATIVE, CACHING_SHA2])
@pytest.mark.parametrize("default", ["mysql_native_password", "caching_sha2_password"])
def test_a_client_with_a_default_plugin_of_its_own(door: Start, plugin: bytes, default: str) -> None:
    """libmariadb then sends an empty response first, and waits for the data of a switch."""
    entrance = door(plugin)
    command = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={entrance.port}", "--user=app", "--skip-ssl"]
    command += ["--password=secret", f"--default-auth={default}", "--batch", "--execute=DO 1"]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    assert entrance.verdicts == [Accepted(b"app")]


def test_clear_passwords_over_tls(door: Start) -> None:
    entrance = door(CACHING_SHA2)
    command = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={entrance.port}", "--user=app"]
    command += ["--password=secret", "--default-auth=mysql_clear_password", "--batch", "--execute=DO 1"]
    command += [f"--ssl-ca={Certificates.shared().ca}", "--ssl-verify-server-cert"]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    assert entrance.verdicts == [Accepted(b"app")]


@pytest.mark.parametrize("plugin", [NATIVE, CACHING_SHA2])
def test_change_of_user(door: Start, plugin: bytes) -> None:
    entrance = door(plugin)
    client = MySQLdb.connect(host="127.0.0.1", port=entrance.port, user="app", passwd="secret", ssl_mode="DISABLED")
    client.change_user("open", "")
    client.change_user("app", "secret")
    with pytest.raises(MySQLdb.OperationalError, match="1045"):
        client.change_user("app", "wrong")
    assert [type(verdict) for verdict in entrance.verdicts] == [Accepted, Accepted, Accepted, Refused]
    pure = mysql.connector.connect(
        host="127.0.0.1", port=entrance.port, user="open", password="", use_pure=True, ssl_disabled=True
    )
    pure.cmd_change_user("app", "secret")
    with pytest.raises(mysql.connector.Error, match="1045"):
        pure.cmd_change_user("app", "wrong")
    assert [type(verdict) for verdict in entrance.verdicts][4:] == [Accepted, Accepted, Refused]
