"""TLS on the HTTP port: the certificate of the configuration, a renewed one, and another one after a reload."""

import http.client
import json
import shutil
import signal
import socket
import ssl
from pathlib import Path

from tests.gateway.caller import KEY, configuration
from tests.servers import Certificates, OutliveProcess, Postgres15
from tests.servers.processes import eventually


def ask(node: OutliveProcess, authorities: str) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=authorities)
    connection = http.client.HTTPSConnection("127.0.0.1", node.http_port, context=context, timeout=10)
    try:
        content = json.dumps({"database": "pg", "sql": "SELECT 1 AS one"})
        connection.request("POST", "/v1/query", content, {"Authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def shown(node: OutliveProcess) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", node.http_port), 10) as sock, context.wrap_socket(sock) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        return tls.getpeercert(binary_form=True) or b""


def der(path: str) -> bytes:
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(Path(path).read_text().partition(end)[0] + end + "\n")


def test_https(postgres: Postgres15, tmp_path: Path) -> None:
    made = Certificates.shared()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(made.server_cert, cert)
    shutil.copy(made.server_key, key)
    text = configuration({"pg": postgres.url(max_connections=3)}, http=f'tls_cert = "{cert}"\ntls_key = "{key}"')
    with OutliveProcess(text, wait=False) as node:
        node.process.wait_line("serving")
        assert ask(node, made.ca)[0] == 200
        with socket.create_connection(("127.0.0.1", node.http_port), 10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                assert not plain.recv(1000).startswith(b"HTTP/")
            except ConnectionError:
                pass
        # Renewed in place: no signal, no restart.
        renewed = made.issue("renewed", hosts=("localhost", "127.0.0.1"))
        shutil.copy(renewed[1], key)
        shutil.copy(renewed[0], cert)
        eventually(lambda: shown(node) == der(renewed[0]))
        assert ask(node, made.ca)[0] == 200
        # Another file, by a reload; and one that cannot be used leaves all as it was.
        assert node.configuration is not None
        good = text.replace(str(cert), str(made.server_cert)).replace(str(key), str(made.server_key))
        node.configuration.write_text(good)
        node.signal(signal.SIGHUP)
        eventually(lambda: shown(node) == der(made.server_cert))
        node.configuration.write_text(good.replace(str(made.server_key), str(renewed[1])))
        node.signal(signal.SIGHUP)
        eventually(lambda: node.log.count("event=reloaded") == 2)
        assert ask(node, made.ca) == ask(node, made.ca)
        assert shown(node) == der(made.server_cert)
