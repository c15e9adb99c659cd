"""One host full of functions, as a program: `python -m outlive.storm.functions HOST PORT FIRST COUNT`.

Each function connects with an unmodified driver (PyMySQL), runs transactions, and then idles, its connection open, as
a frozen function does; every tenth stops inside a transaction. One JSON object a function on standard output, then the
line `done`; after that the program waits to be killed. The password is in the environment, OUTLIVE_DEMO_PASSWORD.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any

import pymysql

TRANSACTIONS = 3
UNFINISHED_EVERY = 10
ITEMS = 40
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0

_kept: list[Any] = []  # connections must not be closed by the collector of garbage: a frozen function closes nothing
_output = threading.Lock()


def _say(line: str) -> None:
    with _output:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _work(connection: Any, number: int) -> str:
    with connection.cursor() as cursor:
        for turn in range(TRANSACTIONS):
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO orders (function_number, turn) VALUES (%s, %s)", (number, turn))
            cursor.execute("SELECT %s, COUNT(*) FROM orders WHERE function_number = %s", (number, number))
            answer = cursor.fetchone()
            cursor.execute("COMMIT")
            if answer != (number, turn + 1):
                return "wrong answer"
        if number % UNFINISHED_EVERY == 0:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE stock SET amount = amount - 1 WHERE item = %s", (number % ITEMS,))
    return "served"


def _function(host: str, port: int, number: int) -> None:
    started = time.monotonic()
    code = 0
    try:
        connection = pymysql.connect(
            host=host,
            port=port,
            user="app",
            password=os.environ["OUTLIVE_DEMO_PASSWORD"],
            database="shop",
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=ANSWER_TIMEOUT_S,
            write_timeout=ANSWER_TIMEOUT_S,
        )
        _kept.append(connection)
        outcome = _work(connection, number)
    except (pymysql.err.Error, OSError) as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        outcome = "refused" if code == pymysql.constants.ER.CON_COUNT_ERROR else "failed"
    result = {"function": number, "outcome": outcome, "code": code, "seconds": time.monotonic() - started}
    _say(json.dumps(result))


def main() -> None:
    host, port, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    functions = [threading.Thread(target=_function, args=(host, port, first + number)) for number in range(count)]
    for function in functions:
        function.start()
    for function in functions:
        function.join()
    _say("done")
    signal.pause()


if __name__ == "__main__":
    main()
