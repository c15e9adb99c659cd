"""Another client, which takes the only server connection whenever it is free and leaves it in another state."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import pymysql

from ..servers import DatabaseServer
from .target import Target

_STATEMENTS = (
    "SET @a = 41, @b = 2",  # numbers: a text's reading changes with SET NAMES, which would pin
    "SET sql_mode = 'ANSI_QUOTES'",
    "SELECT @a, @@sql_mode, DATABASE()",
    "INSERT INTO other.rival (v) VALUES ('x')",
    "SELECT LAST_INSERT_ID() > 1000000, @@autocommit",
    "SET NAMES latin1",
    "SELECT CAST('rival' AS SIGNED), @@character_set_client",
    "SHOW WARNINGS",
    "SELECT * FROM no_such_table",
    "SET time_zone = '+09:00', sql_select_limit = 1",
    "SELECT 1 UNION ALL SELECT 2",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    "SET autocommit = 0",
    "INSERT INTO other.rival (v) VALUES ('rolled back')",
    "ROLLBACK",
    "SET autocommit = 1, sql_mode = DEFAULT, time_zone = DEFAULT, sql_select_limit = DEFAULT",
    "SET NAMES utf8mb4",
)


class Rival:
    """Runs its statements in a thread for the time of `with`. `answered` counts them; at the end of
    `with` it raises if any answer of its own was wrong, or if it got none.

    It logs in as the client under test does (`connect`), so that both share connections and not only the budget.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        errors: type[Exception] = pymysql.MySQLError,
        statements: Sequence[str] = _STATEMENTS,
        code: Callable[[Any], Any] = lambda error: error.args[0],
    ) -> None:
        self._connect = connect
        self._errors = errors
        self._statements = statements
        self._code = code
        self._begun = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rival", daemon=True)
        self._failure: BaseException | None = None
        self.answered = 0

    @staticmethod
    def prepare(server: DatabaseServer) -> None:
        """The table it writes to."""
        server.query("CREATE TABLE IF NOT EXISTS other.rival (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))")
        server.query("ALTER TABLE other.rival AUTO_INCREMENT = 1000001")

    @classmethod
    def at(cls, target: Target, **options: Any) -> "Rival":
        """One that speaks PyMySQL; `client_flag` makes its login's capabilities those of the client under test."""
        return cls(lambda: pymysql.connect(**target.login(database="other", autocommit=True, **options)))

    def _run(self) -> None:
        try:
            connection = self._connect()
            cursor = connection.cursor()
            expected: list[Any] | None = None
            while not self._ends.is_set():
                answers = [self._answer(cursor, statement) for statement in self._statements]
                assert expected is None or answers == expected, (answers, expected)
                expected = answers
                self._begun.set()
            connection.close()
        except BaseException as error:
            self._failure = error
            self._begun.set()

    def _answer(self, cursor: Any, statement: str) -> Any:
        try:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else None
        except self._errors as error:
            return self._code(error)
        finally:
            self.answered += 1

    def __enter__(self) -> "Rival":
        self._thread.start()
        self._begun.wait(30)
        self.answered = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join(30)
        if self._failure is not None:
            raise AssertionError("the rival got a wrong answer, or none") from self._failure
        assert self.answered or error is not None, "the rival did not get its turn"
