"""boto3 at a node: nothing of it is changed but its endpoint."""

import json
import uuid
from typing import Any

import boto3
from botocore.config import Config

from tests.servers import OutliveProcess

KEY, SECRET = "AKIAOUTLIVETESTS0001", "secret-of-the-tests"
NARROW = "AKIAOUTLIVETESTS0002"
"""Of a principal with narrow limits."""
REGION = "eu-central-1"


def arn(database: str) -> str:
    return f"arn:aws:rds:{REGION}:123456789012:cluster:{database}"


SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:any"


def principal(databases: Any, name: str = "functions", key: str = KEY, **more: object) -> str:
    """The principal of the clients."""
    lines = [f"[principals.{name}]", f"databases = {json.dumps(list(databases))}"]
    lines += [f"{option} = {json.dumps(value)}" for option, value in more.items()]
    lines += [f"[principals.{name}.access_keys]", f'{key} = "{SECRET}"', f"[principals.{name}.arns]"]
    lines += [f'"{arn(database)}" = ["{database}"]' for database in databases]
    return "\n".join(lines)


def client(url: str, key: str = KEY, secret: str = SECRET, attempts: int = 3) -> Any:
    return boto3.client(
        "rds-data",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=30),
    )


class Place:
    """One database at a node."""

    def __init__(self, node: OutliveProcess, database: str, **options: Any) -> None:
        self.node = node
        self.database = database
        self.url = f"http://{node.http_host}:{node.http_port}"
        self.client = client(self.url, **options)
        self.arns = {"resourceArn": arn(database), "secretArn": SECRET_ARN}

    def execute(self, sql: str, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
        given = [{"name": name, "value": value} for name, value in (parameters or {}).items()]
        if given:
            more["parameters"] = given
        return self.client.execute_statement(sql=sql, **self.arns, **more)

    def value(self, sql: str, **more: Any) -> Any:
        """Of the first column of the first row, with the name of its member."""
        ((name, value),) = self.execute(sql, **more)["records"][0][0].items()
        return name, value

    def begin(self) -> str:
        return str(self.client.begin_transaction(**self.arns)["transactionId"])

    def commit(self, id: str) -> str:
        return str(self.client.commit_transaction(transactionId=id, **self.arns)["transactionStatus"])

    def rollback(self, id: str) -> str:
        return str(self.client.rollback_transaction(transactionId=id, **self.arns)["transactionStatus"])

    def table(self, columns: str) -> str:
        """A new one, of any name."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE TABLE {name} ({columns})")
        return name
