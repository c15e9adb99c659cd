"""`/docs`: a page to try `/openapi.json` on. It loads nothing from elsewhere, and keeps the key in its memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from outlive.gateway.failure import Failure

_FILES: Final = {
    "/docs": ("page.html", "text/html"),
    "/docs/page.js": ("page.js", "text/javascript"),
    "/docs/page.css": ("page.css", "text/css"),
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes(off: Callable[[], Failure | None], tell: Callable[[Failure], Response]) -> list[BaseRoute]:
    """For the HTTP listener. `off` says why there is nothing to try, if so."""

    def route(path: str, name: str, kind: str) -> Route:
        content = Path(__file__).with_name(name).read_bytes()

        async def page(request: Request) -> Response:
            why = off()
            return tell(why) if why is not None else Response(content, 200, HEADERS, kind)

        return Route(path, page)

    return [route(path, name, kind) for path, (name, kind) in _FILES.items()]
