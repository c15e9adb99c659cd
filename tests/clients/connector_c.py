"""`python -m tests.clients.connector_c HOST PORT MARIADB FOLDER`: mysql-connector-python's C extension, apart.

It brings a newer OpenSSL than the machine's, and can only be loaded where the machine's is not loaded yet. Writes the
transcripts of all parts to standard output, pickled.
"""

import _mysql_connector  # noqa: F401, I001  (first, see above)

import pickle
import sys
from pathlib import Path

from . import dbapi
from .target import Target
from .test_mysql_connector import Connector

if __name__ == "__main__":
    host, port, mariadb, folder = sys.argv[1:]
    driver = Connector(pure=False)
    target = Target(host, int(port), mariadb == "True")
    found = [(part.__name__, part(driver, target)) for part in dbapi.PARTS]
    found.append(("infile", dbapi.infile(driver, target, Path(folder))))
    sys.stdout.buffer.write(pickle.dumps(found))
