"""Why a database cannot be asked."""

from __future__ import annotations


class CensusError(Exception):
    """One sentence and a remedy, neither with a secret. `full`: the database has no connection left; `final`: trying
    again is of no use, as the user, the password or TLS is refused.
    """

    def __init__(
        self, sentence: str, remedy: str = "", *, full: bool = False, final: bool = False, code: str = ""
    ) -> None:
        super().__init__(f"{sentence} {remedy}".strip())
        self.sentence = sentence
        self.remedy = remedy
        self.full = full
        self.final = final
        self.code = code
        """The database's own error number or SQLSTATE, where it was the database that refused."""
