"""Schemathesis: requests made of /openapi.json, right and wrong ones; every answer is one that it describes."""

import json
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.gateway.caller import KEY, configuration
from tests.servers import OutliveProcess, Postgres15

PATHS = ["/v1/query", "/v1/batch", "/v1/transactions", "/v1/transactions/{id}/query", "/v1/transactions/{id}/commit"]


@pytest.fixture(scope="module")
def node(postgres: Postgres15) -> Iterator[OutliveProcess]:
    http = "transaction_idle_timeout_s = 0.1"
    text = configuration({"pg": postgres.url(max_connections=5)}, http=http, max_time_s=1.0)
    with OutliveProcess(text) as started:
        yield started


@pytest.mark.parametrize("path", [*PATHS, "/v1/transactions/{id}/rollback"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_described(
    path: str, mode: GenerationMode, node: OutliveProcess, count: Callable[[int, int], int]
) -> None:
    description = json.loads(node.get("/openapi.json")[1])
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=f"http://{node.http_host}:{node.http_port}")

    @given(case=schema[path]["POST"].as_strategy(generation_mode=mode))
    @settings(
        max_examples=count(15, 500),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case) -> None:
        if isinstance(case.body, dict) and "database" in case.body and len(str(case.body["database"])) % 2:
            case.body["database"] = "pg"
        response = case.call(headers={"Authorization": f"Bearer {KEY}"})
        # A text that is right by the schema may be no SQL.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    ask()
