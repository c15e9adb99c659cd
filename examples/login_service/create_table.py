"""`python -m login_service.create_table`: DynamoDB's table, at DYNAMODB_ENDPOINT where that is set."""

import os

from .dynamodb import DynamoStore

if __name__ == "__main__":
    DynamoStore(os.environ.get("DYNAMODB_TABLE", "devices"), os.environ.get("DYNAMODB_ENDPOINT")).create_table()
