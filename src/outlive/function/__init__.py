"""Recycling connections for code inside functions, which are frozen between requests and killed without notice.

    database = recycled(lambda: pymysql.connect(host="db.example.com", user="shop", password=...))

    @database
    def handler(event, context, connection): ...

Standard library only, and of that as little as can be: a cold start pays for each module.
`outlive.function.sqlalchemy` does the same for the pools of SQLAlchemy.
"""

from outlive.function.recycling import recycled
from outlive.function.waiting import deadline

__all__ = ["deadline", "recycled"]
