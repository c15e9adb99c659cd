"""Where functions connect: plain data, which goes to their processes as part of one line."""

from dataclasses import dataclass, field


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
