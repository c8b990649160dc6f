"""What the recorder makes of heartbeats, good and hostile."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.errors import RegistryStaleError
from ocrstream_recorder.monitoring import worker_registry as fleet_module
from ocrstream_recorder.monitoring.worker_registry import FORGOTTEN_AFTER_S, WorkerRegistry
from ocrstream_schemas.topics import WORKERS_HEARTBEATS

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def beat(worker: str = "w", after_s: float = 0, **told: Any) -> ConsumerRecord[Any, Any]:
    value = {
        "type": "WorkerSeen",
        "worker": worker,
        "host": "h",
        "engine": "noop",
        "started_at": NOON.isoformat(),
        "interval_s": 5,
        **told,
    }
    return record(json.dumps(value).encode(), worker.encode(), after_s)


def record(
    value: bytes | None, key: bytes | None = b"w", after_s: float = 0
) -> ConsumerRecord[Any, Any]:
    milliseconds = int((NOON + timedelta(seconds=after_s)).timestamp() * 1000)
    return ConsumerRecord(WORKERS_HEARTBEATS, 0, 7, milliseconds, 1, key, value, None, 0, 0, [])


@pytest.fixture
def fleet() -> WorkerRegistry:
    """All that the broker has was read."""
    fleet = WorkerRegistry()
    fleet.note_known()
    return fleet


def alive(fleet: WorkerRegistry, after_s: float) -> dict[str, bool]:
    now = NOON + timedelta(seconds=after_s)
    return {one.said.worker: one.alive(now) for one in fleet.workers(now)}


def test_a_worker_is_alive_until_it_is_silent_for_three_intervals(fleet: WorkerRegistry) -> None:
    fleet.add(beat())
    assert alive(fleet, 15) == {"w": True}
    assert alive(fleet, 15.1) == {"w": False}
    fleet.add(beat(after_s=60))
    assert alive(fleet, 70) == {"w": True}


def test_one_that_stopped_is_not_alive_and_may_come_back(fleet: WorkerRegistry) -> None:
    fleet.add(beat(stopped=True))
    assert alive(fleet, 1) == {"w": False}
    fleet.add(beat(after_s=1))
    assert alive(fleet, 2) == {"w": True}


def test_those_alive_come_first_by_name_and_the_silent_are_forgotten(fleet: WorkerRegistry) -> None:
    fleet.add(beat("a"))
    for worker in ("c", "b"):
        fleet.add(beat(worker, after_s=FORGOTTEN_AFTER_S))
    assert list(alive(fleet, FORGOTTEN_AFTER_S)) == ["b", "c", "a"]
    assert list(alive(fleet, FORGOTTEN_AFTER_S + 1)) == ["b", "c"]


def test_a_clock_that_is_ahead_makes_nobody_young(fleet: WorkerRegistry) -> None:
    fleet.add(beat(after_s=5))
    assert alive(fleet, 0) == {"w": True}


@pytest.mark.parametrize(
    "hostile",
    [
        record(None),
        record(b""),
        record(b"\xff"),
        record(b"[" * 100_000),
        record(b'{"worker": "w"}'),
        record(beat().value, key=None),
        record(beat().value, key=b"another"),
        beat("w" * 256),
        beat(interval_s=10**9),
        beat(interval_s=0),
        beat(images_in_flight=-1),
        beat(host="a\0b"),
        beat(type="OcrSucceeded"),
        beat(started_at="0001-01-01T00:00:00+05:00"),
        beat(versions={str(number): "1" for number in range(33)}),
    ],
)
def test_what_is_no_heartbeat_is_skipped_and_counted(
    fleet: WorkerRegistry, hostile: ConsumerRecord[Any, Any]
) -> None:
    # What was said before stands.
    fleet.add(beat(host="good"))
    counted = serving_metrics.HEARTBEATS_SKIPPED._value.get()  # pyright: ignore[reportPrivateUsage]
    fleet.add(hostile)
    assert serving_metrics.HEARTBEATS_SKIPPED._value.get() == counted + 1  # pyright: ignore[reportPrivateUsage]
    assert [one.said.host for one in fleet.workers(NOON)] == ["good"]


def test_no_more_are_kept_than_the_bound(
    fleet: WorkerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "MAX_WORKERS", 3)
    for worker in ("a", "b", "c", "a", "d"):
        fleet.add(beat(worker))
    assert list(alive(fleet, 0)) == ["a", "c", "d"]


def test_nothing_is_said_of_workers_while_nothing_can_be_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    clock: Callable[[], float] = lambda: now  # noqa: E731
    monkeypatch.setattr(fleet_module, "time", SimpleNamespace(monotonic=clock))
    fleet = WorkerRegistry()
    fleet.add(beat())
    with pytest.raises(RegistryStaleError, match="have not been read to their end"):
        fleet.workers(NOON)
    fleet.note_known()
    assert alive(fleet, 0) == {"w": True}
    fleet.note_trouble("Kafka does not answer")
    now += 11
    with pytest.raises(RegistryStaleError, match="Kafka does not answer"):
        fleet.workers(NOON)
