"""/docs: served with a strict policy, nothing from elsewhere; in a browser every operation, and a query that runs."""

import http.client
import json
import re
from pathlib import Path

import pytest

from tests.gateway.caller import KEY
from tests.gateway.chromium import PROGRAM, Chromium
from tests.servers import OutliveProcess
from tests.servers.processes import eventually

PAGES = ("/docs", "/docs/page.js", "/docs/page.css")


def test_what_is_served(node: OutliveProcess) -> None:
    for path in PAGES:
        connection = http.client.HTTPConnection(node.http_host, node.http_port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"(https?:|[\"'(])//", text)
        for kept in ("localStorage", "sessionStorage", "cookie", "innerHTML"):
            assert kept not in text


@pytest.mark.skipif(PROGRAM is None, reason="no chromium")
def test_in_a_browser(node: OutliveProcess, tmp_path: Path) -> None:
    page = Chromium(f"http://{node.http_host}:{node.http_port}/docs", tmp_path)
    try:
        eventually(lambda: page.evaluate("document.querySelectorAll('[data-operation]').length"))
        drawn = page.evaluate("[...document.querySelectorAll('[data-operation]')].map(e => e.dataset.operation)")
        described = json.loads(node.get("/openapi.json")[1])["paths"]
        assert sorted(drawn) == sorted(f"{name.upper()} {path}" for path in described for name in described[path])
        page.evaluate(f"document.getElementById('key').value = {json.dumps(KEY)}")
        page.evaluate(
            "(e => { e.value = 'pg'; e.dispatchEvent(new Event('change')); })(document.getElementById('database'))"
        )
        page.evaluate("document.querySelector('[data-operation=\"POST /v1/query\"] button').click()")
        shown = "document.querySelector('[data-operation=\"POST /v1/query\"] pre').textContent"
        eventually(lambda: page.evaluate(shown))
        said = page.evaluate(shown)
        assert said.startswith("200 in ")
        assert json.loads(said.partition("\n")[2])["rows"] == [{"one": 1}]
    finally:
        page.close()
