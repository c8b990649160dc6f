"""What readiness and the metric tell of things that are tried again."""

import pytest
from prometheus_client import CollectorRegistry, Gauge

from ocrstream_recorder.recording.retry_health import RetryHealth
from ocrstream_runtime.errors import NotReadyError


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("retrying", "1 meanwhile", registry=CollectorRegistry())


def value(gauge: Gauge) -> float:
    return next(iter(gauge.collect())).samples[0].value


async def test_it_tells_until_an_attempt_succeeds(gauge: Gauge) -> None:
    retrying = RetryHealth("a poll is", gauge)
    await retrying.check()
    retrying.failed(ValueError("first"), "poll")
    retrying.failed(ValueError("second"), "poll")
    with pytest.raises(NotReadyError, match="a poll is tried again for 0 s: ValueError: second"):
        await retrying.check()
    assert value(gauge) == 1
    retrying.ended("poll")
    retrying.ended("poll")
    await retrying.check()
    assert value(gauge) == 0


async def test_the_success_of_one_hides_no_failure_of_another(gauge: Gauge) -> None:
    retrying = RetryHealth("a poll is", gauge)
    retrying.failed(ValueError("older"), "a")
    retrying.failed(ValueError("newer"), "b")
    with pytest.raises(NotReadyError, match="older"):
        await retrying.check()
    retrying.ended("c")
    retrying.ended("a")
    assert value(gauge) == 1
    with pytest.raises(NotReadyError, match="newer"):
        await retrying.check()
    retrying.ended("b")
    await retrying.check()
    assert value(gauge) == 0
