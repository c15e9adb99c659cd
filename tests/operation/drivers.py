"""Real clients that log in through a node: each says which user it became, or fails as its driver does."""

import asyncio
import ssl
import subprocess
from collections.abc import Callable

import asyncmy
import mysql.connector
import MySQLdb
import pymysql

from tests.servers import Certificates, OutliveProcess

WHO = "SELECT CURRENT_USER()"
Login = Callable[[OutliveProcess, str, str, bool], str]


def pymysql_login(node: OutliveProcess, user: str, password: str, tls: bool) -> str:
    options = {"ssl_ca": str(Certificates.shared().ca), "ssl_verify_identity": True} if tls else {"ssl_disabled": True}
    connection = pymysql.connect(
        host="127.0.0.1", port=node.port, user=user, password=password, database="test", **options
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(WHO)
        return str(cursor.fetchall()[0][0])


def mysqlclient_login(node: OutliveProcess, user: str, password: str, tls: bool) -> str:
    options = {"ssl": {"ca": str(Certificates.shared().ca)}} if tls else {"ssl_mode": "DISABLED"}
    connection = MySQLdb.connect(
        host="127.0.0.1", port=node.port, user=user, passwd=password, database="test", **options
    )
    cursor = connection.cursor()
    cursor.execute(WHO)
    found = str(cursor.fetchone()[0])
    connection.close()
    return found


def connector_login(node: OutliveProcess, user: str, password: str, tls: bool) -> str:
    options = {"ssl_ca": str(Certificates.shared().ca)} if tls else {"ssl_disabled": True}
    connection = mysql.connector.connect(
        host="127.0.0.1", port=node.port, user=user, password=password, database="test", use_pure=True, **options
    )
    cursor = connection.cursor()
    cursor.execute(WHO)
    found = str(cursor.fetchone()[0])
    connection.close()
    return found


def asyncmy_login(node: OutliveProcess, user: str, password: str, tls: bool) -> str:
    context = ssl.create_default_context(cafile=str(Certificates.shared().ca)) if tls else None

    async def log_in() -> str:
        connection = await asyncmy.connect(
            host="127.0.0.1", port=node.port, user=user, password=password, database="test", ssl=context
        )
        async with connection.cursor() as cursor:
            await cursor.execute(WHO)
            found = (await cursor.fetchone())[0]
        await connection.ensure_closed()
        return str(found)

    return asyncio.run(log_in())


def command_line_login(node: OutliveProcess, user: str, password: str, tls: bool, *, plugin: str = "") -> str:
    command = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={node.port}", f"--user={user}", "test"]
    command += [f"--password={password}", "--batch", "--skip-column-names", f"--execute={WHO}"]
    command += [f"--ssl-ca={Certificates.shared().ca}", "--ssl-verify-server-cert"] if tls else ["--skip-ssl"]
    if plugin:
        command.append(f"--default-auth={plugin}")
    done = subprocess.run(command, capture_output=True, timeout=20, check=False, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


LOGINS: list[Login] = [pymysql_login, mysqlclient_login, connector_login, asyncmy_login, command_line_login]
