"""`python -m tests.clients.pymysql_crowd PORT FIRST COUNT`: a process with COUNT clients of PyMySQL, a thread each.

Says "connected" when all are, then runs transactions until a line comes on standard input, says how many as JSON, keeps
its connections, in the middle of transactions, until it is killed.
"""

import json
import sys
import threading
import time

import pymysql

ACCOUNT = {"user": "app", "password": "app-secret", "database": "test"}


class Client(threading.Thread):
    """Its answers are its own: rows, user variable, LAST_INSERT_ID, the sum of its two rows."""

    def __init__(self, port: int, number: int, ends: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.ends = ends
        self.done = 0
        self.failure = ""
        self.connection = pymysql.connect(host="127.0.0.1", port=port, autocommit=False, **ACCOUNT)

    def run(self) -> None:
        try:
            while True:  # once at least, however busy the machine
                self.transaction(self.done)
                self.done += 1
                if self.ends.wait(0.2):
                    return
        except Exception as error:
            self.failure = f"client {self.number}, transaction {self.done}: {error!r}"

    def transaction(self, turn: int) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET @turn = {self.number * 100_000 + turn}")
            cursor.execute("INSERT INTO shown_log (client, turn) VALUES (%s, %s)", (self.number, turn))
            inserted = cursor.lastrowid
            cursor.execute("UPDATE shown SET money = money + 1 WHERE client = %s", (self.number,))
            cursor.execute(
                "SELECT CONCAT('client', %s, 'turn', %s), @turn, LAST_INSERT_ID(), money FROM shown WHERE client = %s",
                (self.number, turn, self.number),
            )
            expected = (f"client{self.number}turn{turn}", self.number * 100_000 + turn, inserted, turn + 1)
            found = cursor.fetchall()
            if found != (expected,):
                raise AssertionError(f"{found} where {expected} is right")
            self.connection.commit()


def main() -> None:
    port, first, count = map(int, sys.argv[1:])
    threading.stack_size(256 * 1024)
    ends = threading.Event()
    clients = [Client(port, number, ends) for number in range(first, first + count)]
    print("connected", flush=True)
    sys.stdin.readline()
    for client in clients:
        client.start()
    sys.stdin.readline()
    ends.set()
    for client in clients:
        client.join(60)
    print(
        json.dumps({
            "done": [client.done for client in clients],
            "failures": [client.failure for client in clients if client.failure],
        }),
        flush=True,
    )  # fmt: skip
    sys.stdin.readline()
    for client in clients[:4]:  # a transaction each, with locks, that nobody will end
        with client.connection.cursor() as cursor:
            cursor.execute("UPDATE shown SET money = money + 1000 WHERE client = %s", (client.number,))
    print("in transactions", flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main()
