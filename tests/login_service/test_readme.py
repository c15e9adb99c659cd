"""What the README says to run."""

import os
import subprocess
import sys

from tests.gateway.caller import KEY
from tests.login_service.conftest import EXAMPLE, url
from tests.servers import OutliveProcess


def run(module: str, **environment: str) -> str:
    command = [sys.executable, "-m", f"login_service.{module}"]
    done = subprocess.run(
        command,
        cwd=EXAMPLE.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_1(dynamodb: str) -> None:
    account = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    settings = {**account, "LOGIN_STORE": "dynamodb", "DYNAMODB_ENDPOINT": dynamodb, "DYNAMODB_TABLE": "of_the_readme"}
    run("create_table", **settings)
    assert "50 of 50 logins" in run("flow", **settings)


def test_versions_2_and_3(mysql_node: OutliveProcess) -> None:
    where = url(mysql_node)
    assert "50 of 50 logins" in run("flow", LOGIN_STORE="outlive", OUTLIVE_URL=where, OUTLIVE_KEY=KEY)
    assert "50 of 50 logins" in run("flow", LOGIN_URL=where, LOGIN_KEY=KEY)


def test_the_operations_fit_the_schema(mysql_node: OutliveProcess) -> None:
    command = [sys.executable, "-m", "outlive", "check", str(mysql_node.configuration), "--live"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "6 operations: they fit" in done.stdout
