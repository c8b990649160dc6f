"""Whether a service is ready, and alive, while what it depends on is away."""

from collections.abc import Generator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from real_servers import Broker, fresh_database
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def system(
    module_broker: Broker, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[System]:
    """Each test leaves it ready, or starts it itself."""
    with fresh_database(postgres_url) as database:
        system = System(tmp_path_factory.mktemp("health"), module_broker.bootstrap, database)
        try:
            for name in ("recorder", "worker-1"):
                system.start(name, wait=False)
            for name in ("recorder", "worker-1"):
                system.wait(name)
            yield system
        finally:
            system.stop()


def get(system: System, name: str, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{system.ports[name]}{path}", timeout=10)


def troubles(system: System, name: str, *expected: str) -> dict[str, str]:
    """What `/readyz` names, once it names what is expected; nothing at all means 200."""

    def look() -> dict[str, str] | None:
        answer = get(system, name, "/readyz")
        found: dict[str, Any] = answer.json()["troubles"]
        assert answer.status_code == (503 if found else 200)
        return found if found.keys() == set(expected) else None

    return eventually(f"readiness of {name} without {expected}", look)


def test_a_database_that_is_away_is_named_and_costs_no_life(
    system: System, postgres_url: str
) -> None:
    name = system.database.rpartition("/")[2]
    with psycopg.connect(postgres_url.rpartition("/")[0] + "/postgres", autocommit=True) as admin:
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )

        def told() -> bool | None:
            told = troubles(system, "recorder", "database")["database"]
            return "not currently accepting" in told or None

        eventually("the reason", told)
        assert get(system, "recorder", "/livez").status_code == 200
        assert troubles(system, "worker-1") == {}
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))
    troubles(system, "recorder")


def test_a_broker_that_is_away_is_named_and_costs_no_life(
    system: System, module_broker: Broker
) -> None:
    module_broker.kill()
    troubles(system, "recorder", "recording", "reading")
    troubles(system, "worker-1", "kafka")
    for name in ("recorder", "worker-1"):
        assert get(system, name, "/livez").status_code == 200
    module_broker.start()
    for name in ("recorder", "worker-1"):
        troubles(system, name)


async def test_metrics_tell_what_was_done_and_what_waits(system: System) -> None:
    images = [
        {"image_path": system.image(f"{n}.png"), "batch_id": "b", "index": n, "batch_total": 5}
        for n in range(5)
    ]
    await system.send(*(("images.submitted", None, one) for one in images))
    system.ended("b")

    def value(name: str, series: str) -> float | None:
        lines = get(system, name, "/metrics").text.splitlines()
        return next((float(x.rpartition(" ")[2]) for x in lines if x.startswith(series)), None)

    assert value("worker-1", 'ocrstream_worker_images_total{outcome="success"}') == 5
    assert value("worker-1", "ocrstream_worker_boxes_total") == 150
    assert value("recorder", 'ocrstream_recorder_rows_written_total{table="boxes"}') == 150
    assert value("recorder", "ocrstream_recorder_submitted_to_recorded_seconds_count") == 5

    system.stop()
    await system.send(*(("images.submitted", None, one) for one in images[:3]))
    for name in ("recorder", "worker-1"):
        system.start(name, OCRSTREAM_NOOP_IMAGE_S="60", OCRSTREAM_SHUTDOWN_TIMEOUT_S="1")
    lag = 'ocrstream_worker_lag_records{topic="images.submitted"}'
    eventually("the lag", lambda: True if value("worker-1", lag) == 3 else None)
