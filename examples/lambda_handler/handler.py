"""A handler as one writes it for AWS Lambda, with a database connection that is recycled."""

import os

import pymysql

from outlive.function import recycled


def connect(timeout_s: float) -> "pymysql.connections.Connection":
    # Called anew for each connection: a rotated password is read here.
    return pymysql.connect(
        host=os.environ["DB_HOST"],
        port=int(os.environ.get("DB_PORT", "3306")),
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
        connect_timeout=timeout_s,
        read_timeout=10,
    )


# At module level: it lives as long as the instance. Nothing is connected before the first request.
database = recycled(
    connect,
    ttl_s=float(os.environ.get("TTL_S", "180")),
    per_request=os.environ.get("PER_REQUEST") == "yes",
)


@database
def handler(event, context, connection):
    with connection.cursor() as cursor:
        if event.get("item"):
            cursor.execute("INSERT INTO orders (item) VALUES (%s)", (event["item"],))
            connection.commit()  # what is not committed is rolled back when the handler returns
        cursor.execute("SELECT COUNT(*) FROM orders")
        (orders,) = cursor.fetchone()
    return {"orders": orders, "connection": connection.thread_id(), **database.stats()}
