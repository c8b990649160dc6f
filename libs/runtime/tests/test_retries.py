"""Backoff, retries, and what readiness reports of them."""

import asyncio
from itertools import islice

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from ocrstream_runtime.errors import NotReadyError, StoppedError
from ocrstream_runtime.retries import Backoff, RetryHealth, describe_error, retry

FAST = Backoff(0.001, 0.003)


def create_gauge() -> Gauge:
    return Gauge("failing", "Help", registry=CollectorRegistry())


def value_of(gauge: Gauge) -> float:
    return next(sample.value for metric in gauge.collect() for sample in metric.samples)


class Attempts:
    """Raises each of `errors` in turn, then returns how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> int:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.count


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff(0.2, 5.0), [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]),
        (Backoff(3.0), [3.0, 3.0, 3.0]),
        (Backoff(3.0, 3.0), [3.0, 3.0]),
    ],
)
def test_pauses_double_up_to_the_longest(backoff: Backoff, pauses: list[float]) -> None:
    assert list(islice(backoff.pauses(), len(pauses))) == pytest.approx(pauses)


def test_each_iteration_begins_with_the_first_pause() -> None:
    assert next(FAST.pauses()) == next(FAST.pauses())


async def test_an_attempt_is_repeated_until_it_succeeds() -> None:
    attempt = Attempts(OSError("away"), ConnectionError("still"))
    with capture_logs() as logs:
        assert await retry("connect", attempt, (OSError,), asyncio.Event(), backoff=FAST) == 3
    assert [(log["what"], log["error"], log["retry_in_s"]) for log in logs] == [
        ("connect", "OSError: away", 0.001),
        ("connect", "ConnectionError: still", 0.002),
    ]


async def test_other_exceptions_are_raised_at_once() -> None:
    attempt = Attempts(ValueError("bug"))
    with pytest.raises(ValueError, match="bug"):
        await retry("connect", attempt, (OSError,), asyncio.Event(), backoff=FAST)
    assert attempt.count == 1


async def test_a_stop_ends_the_pause_and_names_the_failure() -> None:
    away = OSError("away")
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    with pytest.raises(StoppedError) as stopped:
        await retry("connect", Attempts(away), (OSError,), stop, backoff=Backoff(60.0))
    assert stopped.value.__cause__ is away


async def test_there_is_one_attempt_even_after_the_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await retry("connect", Attempts(), (OSError,), stop) == 1


async def test_retries_are_reported_until_they_succeed() -> None:
    gauge = create_gauge()
    health = RetryHealth("connecting", gauge)
    seen: list[float] = []
    attempts = Attempts(OSError("away"))

    async def attempt() -> int:
        seen.append(value_of(gauge))
        return await attempts()

    await retry("connect", attempt, (OSError,), asyncio.Event(), backoff=FAST, health=health)
    assert [*seen, value_of(gauge)] == [0, 1, 0]


async def test_the_last_failure_is_reported_until_a_success() -> None:
    gauge = create_gauge()
    health = RetryHealth("connecting", gauge)
    await health.check()
    health.failed("key", OSError("away"))
    health.failed("key", OSError("full"))
    with pytest.raises(NotReadyError, match="connecting has failed for 0 s: OSError: full"):
        await health.check()
    assert value_of(gauge) == 1
    health.ended("key")
    health.ended("key")
    await health.check()
    assert value_of(gauge) == 0


async def test_a_success_hides_no_other_failure() -> None:
    gauge = create_gauge()
    health = RetryHealth("connecting", gauge)
    health.failed("first", OSError("away"))
    health.failed("second", OSError("full"))
    with pytest.raises(NotReadyError, match="connecting has failed for 0 s: OSError: away"):
        await health.check()
    health.ended("third")
    health.ended("first")
    assert value_of(gauge) == 1
    with pytest.raises(NotReadyError, match="connecting has failed for 0 s: OSError: full"):
        await health.check()
    health.ended("second")
    await health.check()
    assert value_of(gauge) == 0


def test_an_error_without_a_message_is_described_by_its_type() -> None:
    assert describe_error(TimeoutError()) == "TimeoutError"
    assert describe_error(OSError("away")) == "OSError: away"
