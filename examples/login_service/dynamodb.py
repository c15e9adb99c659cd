"""Version 1: DynamoDB, which has no connections. One table, and an index for each other way to ask."""

from typing import Any

import boto3
from botocore.config import Config

from .service import Conflict, Device, NotFound

_CONFIG = Config(retries={"max_attempts": 3, "mode": "standard"}, max_pool_connections=10)
_INDEXES = ("user_id", "household_id")


class DynamoStore:
    """`endpoint` is for a server that stands in for DynamoDB, as moto's."""

    def __init__(self, table: str, endpoint: str | None = None, config: Config = _CONFIG) -> None:
        self._table = table
        self._client = boto3.client("dynamodb", endpoint_url=endpoint, config=config)
        self._failed = self._client.exceptions.ConditionalCheckFailedException

    def create_table(self) -> None:
        """Once, before the first device."""
        keys = ("device_id", *_INDEXES)
        self._client.create_table(
            TableName=self._table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": "device_id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": key,
                    "KeySchema": [
                        {"AttributeName": key, "KeyType": "HASH"},
                        {"AttributeName": "device_id", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
                for key in _INDEXES
            ],
        )
        self._client.get_waiter("table_exists").wait(TableName=self._table)

    def provision(self, device_id: str, user_id: str, household_id: str) -> Device:
        """See `Store`."""
        device = Device(device_id=device_id, user_id=user_id, household_id=household_id, logins=0)
        item = {key: {"S": device[key]} for key in ("device_id", *_INDEXES)}
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**item, "logins": {"N": "0"}},
                ConditionExpression="attribute_not_exists(device_id)",
            )
        except self._failed:
            raise Conflict from None
        return device

    def log_in(self, device_id: str) -> Device:
        """See `Store`. A retry of boto3's may count twice: ADD is not idempotent."""
        return self._update(device_id, "ADD logins :value", {"N": "1"})

    def move(self, device_id: str, household_id: str) -> Device:
        """See `Store`."""
        return self._update(device_id, "SET household_id = :value", {"S": household_id})

    def _update(self, device_id: str, expression: str, value: dict[str, str]) -> Device:
        try:
            done = self._client.update_item(
                TableName=self._table,
                Key={"device_id": {"S": device_id}},
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(device_id)",
                ExpressionAttributeValues={":value": value},
                ReturnValues="ALL_NEW",
            )
        except self._failed:
            raise NotFound from None
        return _device(done["Attributes"])

    def device(self, device_id: str) -> Device:
        """See `Store`."""
        done = self._client.get_item(TableName=self._table, Key={"device_id": {"S": device_id}}, ConsistentRead=True)
        if "Item" not in done:
            raise NotFound
        return _device(done["Item"])

    def of_user(self, user_id: str) -> list[Device]:
        """See `Store`. An index follows its table a moment later."""
        return self._query("user_id", user_id)

    def of_household(self, household_id: str) -> list[Device]:
        """See `Store`. An index follows its table a moment later."""
        return self._query("household_id", household_id)

    def _query(self, index: str, value: str) -> list[Device]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"{index} = :value",
            ExpressionAttributeValues={":value": {"S": value}},
        )
        return [_device(item) for page in pages for item in page["Items"]]


def _device(item: dict[str, Any]) -> Device:
    return Device(
        device_id=item["device_id"]["S"],
        user_id=item["user_id"]["S"],
        household_id=item["household_id"]["S"],
        logins=int(item["logins"]["N"]),
    )
