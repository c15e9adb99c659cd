"""The floor: a starlette endpoint that reads its body and answers with one row of JSON, as Outlive's port is served.

`python -m bench.http_floor PORT`; "serving" on its output says that it listens.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"columns":[{"name":"one","type":"int4"}],"rows":[{"one":1}],"row_count":1,"rows_affected":null}'


async def query(request: Request) -> Response:
    """The answer."""
    await request.body()
    return Response(ANSWER, media_type="application/json")


class _Server(uvicorn.Server):
    async def startup(self, *arguments: object, **options: object) -> None:
        await super().startup(*arguments, **options)  # type: ignore[arg-type]
        sys.stdout.write("serving\n")
        sys.stdout.flush()


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/query", query, methods=["POST"])])
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False
    )
    _Server(config).run()
