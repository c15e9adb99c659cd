"""Schemathesis: requests made of the operations' description, right and wrong ones; every answer is as it says."""

from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.gateway.caller import KEY
from tests.gateway.declared.shop import Shop
from tests.servers import OutliveProcess

PATHS = (
    ("GET", "/items/{id}"),
    ("GET", "/items"),
    ("POST", "/items"),
    ("PUT", "/items/{id}/name"),
    ("POST", "/items/{id}/take"),
)

LINE_MAX = 60_000


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("database", ["pg", "my"])
def test_answers_are_as_described(
    database: str, mode: GenerationMode, declared: OutliveProcess, count: Callable[[int, int], int]
) -> None:
    description = Shop(declared, "openapi.json").get("").json
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=f"http://{declared.http_host}:{declared.http_port}")
    for method, path in PATHS:

        @given(case=schema[f"/api/{database}{path}"][method].as_strategy(generation_mode=mode))
        @settings(
            max_examples=count(8, 100),
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {KEY}"})
            if len(str(response.request.url)) > LINE_MAX:
                return  # no request line of HTTP: nobody reads it
            # What is right by the schema may be no row that is there.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])

        ask()
