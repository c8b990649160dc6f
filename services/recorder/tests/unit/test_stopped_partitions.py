"""When a partition stops, what is said of it, and when it goes on."""

import pytest
from aiokafka import TopicPartition

from ocrstream_recorder.recording import stopped_partitions
from ocrstream_recorder.recording.stopped_partitions import StoppedPartitions
from ocrstream_runtime.errors import NotReadyError
from ocrstream_schemas.topics import OCR_RESULTS

PLACE = TopicPartition(OCR_RESULTS, 7)


async def told(stopped: StoppedPartitions) -> str:
    with pytest.raises(NotReadyError) as trouble:
        await stopped.check()
    return str(trouble.value)


@pytest.mark.parametrize("stored", [40, 41, 139, 140])
async def test_what_is_in_the_log_is_read(stored: int) -> None:
    stopped = StoppedPartitions()
    assert not stopped.remains(PLACE, stored, 40, 140)
    await stopped.check()


async def test_what_was_deleted_unread_is_named() -> None:
    stopped = StoppedPartitions()
    assert stopped.remains(PLACE, 39, 40, 140)
    assert "ocr.results 7: records 39 to 39 were deleted" in await told(stopped)
    assert "ocrstream-recorder skip ocr.results 7" in await told(stopped)


async def test_a_log_made_anew_is_named_and_not_read_from_the_middle() -> None:
    stopped = StoppedPartitions()
    assert stopped.remains(PLACE, 141, 0, 140)
    assert "ocr.results 7: 141 was to be recorded next" in await told(stopped)
    # It has grown beyond what was recorded of the other one.
    assert stopped.remains(PLACE, 141, 0, 500)
    assert not stopped.remains(PLACE, 0, 0, 500)
    await stopped.check()


async def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    stopped = StoppedPartitions()
    for number in range(5):
        stopped.stop(TopicPartition(OCR_RESULTS, number), 3, 4, 9)
    message = await told(stopped)
    assert message.startswith("5 partitions are not read. ocr.results 0: records 3 to 3")
    assert message.endswith("; and 2 more")
    stopped.clear()
    await stopped.check()


def test_those_that_are_stopped_are_looked_at_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = StoppedPartitions()
    stopped.stop(PLACE, 3, 4, 9)
    assert stopped.not_due() == set()
    assert stopped.not_due() == {PLACE}
    monkeypatch.setattr(stopped_partitions, "_CHECK_INTERVAL_S", 0.0)
    stopped = StoppedPartitions()
    stopped.stop(PLACE, 3, 4, 9)
    assert stopped.not_due() == stopped.not_due() == set()
