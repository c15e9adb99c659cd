"""What the functions do, and where: plain data, which goes to their processes as one line."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """Where functions connect, and as whom. `scheme` names the protocol as a URL does; `tables` is what the names of
    the storm's own tables begin with; `tls` and the files are as Outlive's options of these names.
    """

    scheme: str
    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    tables: str = ""
    tls: str = "disabled"
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """One function's life: it starts within `arrival_s` of its generation, and makes `requests` of one transaction
    each, `spacing_s` after one another, on one connection, which it opens with its first and never closes. It gives a
    request up after `timeout_s`. Each `unfinished_every`-th function starts one more transaction at its end.
    """

    requests: int = 4
    spacing_s: float = 0.25
    arrival_s: float = 0.4
    timeout_s: float = 5.0
    unfinished_every: int = 10


@dataclass(frozen=True, slots=True)
class Generation:
    """The functions of one process: `count` of them, numbered from `first`."""

    first: int
    count: int
    target: Target
    life: Life

    def line(self) -> str:
        """For the standard input of the process. It holds the password: it goes through a pipe and nowhere else."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> "Generation":
        """What `line` made."""
        fields = json.loads(line)
        return cls(fields["first"], fields["count"], Target(**fields["target"]), Life(**fields["life"]))
