"""The read API's OpenAPI document: its examples, and what schemathesis makes of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import TypeAdapter
from read_events import fill
from real_servers import fresh_database
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ocrstream_recorder.api import (
    batch_images,
    batches,
    chains,
    dead_letters,
    images,
    neighbours,
    search,
    stats,
    tasks,
)
from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings

CASES_EACH = 40
ROUTES = [
    route
    for router in (
        *(
            batches.router,
            batches.cached,
            batch_images.router,
            batch_images.cached,
            neighbours.router,
        ),
        *(images.router, images.cached, search.router),
        *(chains.router, tasks.router, stats.router, dead_letters.router),
    )
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
]
# The record of a dead letter is in Kafka, which is not here.
READ = [route for route in ROUTES if "dead-letters" not in route.path]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_answer_has_an_example(route: APIRoute) -> None:
    model: Any = route.response_model
    metadata = model.__pydantic_generic_metadata__
    item = TypeAdapter(metadata["args"][0] if metadata["args"] else model)
    schema = item.json_schema()
    (example,) = schema["examples"]
    assert example.keys() >= set(schema["required"])
    item.validate_python(example)


@pytest.fixture(scope="module")
def app(postgres_url: str) -> Iterator[FastAPI]:
    with fresh_database(postgres_url) as url:
        zone = DatabaseZone("UTC")
        fill(url, zone)
        database = ReadDatabase(url, connections=2, timeout_s=5)
        yield create_api(database, zone, Health(), DeadLetterRecords(ServiceSettings()))
        asyncio.run(database.close())


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
def test_no_request_gets_an_answer_that_is_not_described(
    document: Any, route: APIRoute, mode: GenerationMode
) -> None:
    cases = 0

    @settings(
        max_examples=CASES_EACH,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        database=None,
    )
    @given(case=document[route.path_format]["GET"].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal cases
        cases += 1
        # What a schema cannot tell is refused as well: NUL, a cursor of somebody else's.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()
    assert cases
