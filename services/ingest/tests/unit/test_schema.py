"""What schemathesis makes of the OpenAPI document: no answer that it does not promise, no 5xx."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fake_publisher import FakePublisher
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health

# 8 times, so 1,200 in all.
CASES_EACH = 150


class _Recorder:
    """Knows every batch."""

    def batch_url(self, batch_id: str, rest: str = "") -> str:
        return f"http://recorder/{batch_id}{rest}"

    async def fetch_run(self, batch_id: str) -> int:
        return 1


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    with tempfile.TemporaryDirectory() as folder:
        told = IngestSettings(object_root=Path(folder) / "objects")
        api = create_api(create_dependencies(told, FakePublisher()), Health())
        object.__setattr__(api.state.dependencies, "recorder", _Recorder())
        yield api


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(
    "path",
    ["/v1/images", "/v1/batches", "/v1/batches/{batch_id}/cancel", "/v1/batches/{batch_id}/retry"],
)
def test_no_request_gets_an_answer_that_is_not_described(
    document: Any, path: str, mode: GenerationMode
) -> None:
    cases = 0

    @settings(
        max_examples=CASES_EACH,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        database=None,
    )
    @given(case=document[path]["POST"].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal cases
        cases += 1
        # What a schema cannot tell is refused as well: a key used twice, NUL, unknown options.
        excluded = [positive_data_acceptance]
        if path == "/v1/images":
            # A form has no types: an empty list is no field at all, which is allowed.
            excluded.append(negative_data_rejection)
        case.call_and_validate(excluded_checks=excluded)

    check()
    assert cases >= CASES_EACH
