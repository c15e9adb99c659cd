"""`python -m tests.servers`: fetch and prepare the databases that the tests start, once a machine."""

import sys

from .mariadb import MariaDB
from .mysql import MySQL97
from .pgbouncer import PgBouncer118, PgBouncer126
from .postgres import Postgres15, Postgres18
from .processes import ServerError

for kind in (MariaDB, MySQL97, Postgres15, Postgres18, PgBouncer118, PgBouncer126):
    try:
        kind.prepare()
    except ServerError as error:
        sys.exit(f"{kind.__name__}: {error}")
