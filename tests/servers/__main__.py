"""`python -m tests.servers`: fetch and prepare the databases that the tests start, once a machine."""

import sys

from .mariadb import MariaDB
from .mysql import MySQL97
from .processes import ServerError

for kind in (MariaDB, MySQL97):
    try:
        kind.prepare()
    except ServerError as error:
        sys.exit(f"{kind.__name__}: {error}")
