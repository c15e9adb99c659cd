"""Outlive as it is measured: as it comes, with every hazard treatment on."""

from tests.servers import DatabaseServer, OutliveProcess, PostgresServer


def node(
    server: DatabaseServer | PostgresServer, *, url: str, budget: int, tls: bool = False, max_clients: int = 12_000
) -> OutliveProcess:
    """A node before `server`, which it reaches by `url` with at most `budget` connections; clients may use TLS when
    `tls`.
    """
    certificates = server.certificates
    lines = [f"max_clients = {max_clients}"]
    if tls:
        lines += [f'tls_cert = "{certificates.server_cert}"', f'tls_key = "{certificates.server_key}"']
    lines += ["[databases.test]", f'url = "{url}"', f"max_connections = {budget}"]
    return OutliveProcess("\n".join(lines) + "\n")
