"""The times that a record may claim, and the timestamp of a record that keeps them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import AnyEvent, ImageSubmitted, OcrSucceeded
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.times import CLOCK_SKEW, bounding_ms, record_timestamp_ms
from ocrstream_schemas.topics import IMAGES_SUBMITTED, OCR_RESULTS

HOUR_MS = 3600 * 1000
NOW_MS = 1_800_000_000_123
NOW = datetime(2027, 1, 15, 8, 0, 0, 123_000, tzinfo=UTC)
REF = RecordRef(IMAGES_SUBMITTED, 3, 17, NOW_MS)
FORGED = datetime(2099, 1, 1, tzinfo=UTC)
FORGED_MS = int(FORGED.timestamp() * 1000)
TIMES = ("submitted_at", "started_at", "finished_at")

instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
timestamps = st.integers(-1, 2**63 - 1) | st.integers(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)


def result(**times: Any) -> bytes:
    return encode(OcrSucceeded(chain_id="c", image_path="a", boxes=(), **times))


def times_of(value: bytes, ref: RecordRef = REF, recorded_ms: int | None = None) -> list[datetime]:
    event: Any = decode(OCR_RESULTS, value, ref, recorded_ms)
    return [time for name in TIMES if (time := getattr(event, name)) is not None]


def test_a_time_is_at_most_ten_minutes_after_its_record() -> None:
    latest = NOW + timedelta(minutes=10)
    assert times_of(result(submitted_at=FORGED, started_at=FORGED, finished_at=FORGED)) == [
        latest
    ] * len(TIMES)
    just = latest + timedelta(microseconds=1)
    assert times_of(result(submitted_at=latest, finished_at=just)) == [latest, latest]
    assert times_of(result(submitted_at=NOW, finished_at=NOW)) == [NOW, NOW]
    local = FORGED.astimezone(ZoneInfo("America/New_York"))
    assert times_of(result(submitted_at=local, finished_at=NOW)) == [latest, NOW]


def test_every_time_of_every_event_is_bounded() -> None:
    known = {field for kind in get_args(AnyEvent) for field in kind.__struct_fields__}
    for field in sorted(name for name in known if name.endswith("_at")):
        value = json.dumps({field: FORGED.isoformat()}).encode()
        # All that `record_timestamp_ms` knows: a new time would be missing there.
        assert record_timestamp_ms(value, NOW_MS) > NOW_MS, field


def test_a_redriven_record_is_bounded_by_its_first_timestamp_and_by_its_own() -> None:
    claims = result(submitted_at=FORGED, finished_at=FORGED)
    origin = msgspec.structs.replace(REF, timestamp_ms=NOW_MS - 5 * HOUR_MS)
    earlier = NOW - timedelta(hours=5) + CLOCK_SKEW
    assert times_of(claims, origin, NOW_MS) == [earlier, earlier]
    forged_origin = msgspec.structs.replace(REF, timestamp_ms=FORGED_MS)
    assert times_of(claims, forged_origin, NOW_MS) == [NOW + CLOCK_SKEW] * 2
    # Nor do they set a time that the event leaves out.
    assert times_of(result(), forged_origin, NOW_MS) == [NOW, NOW]


def test_ids_are_those_of_the_first_coordinates() -> None:
    submission = b'{"image_path": "a"}'
    found = [
        decode(IMAGES_SUBMITTED, submission, REF, recorded_ms)
        for recorded_ms in (None, NOW_MS, NOW_MS - HOUR_MS)
    ]
    assert isinstance(found[0], ImageSubmitted)
    assert len({one.chain_id for one in found if isinstance(one, ImageSubmitted)}) == 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Midway", "UTC"])
@given(ref_ms=timestamps, recorded_ms=timestamps, claimed=st.none() | instants)
def test_whatever_the_timestamps_are_times_are_bounded_and_fit_into_any_zone(
    zone: str, ref_ms: int, recorded_ms: int, claimed: datetime | None
) -> None:
    ref = msgspec.structs.replace(REF, timestamp_ms=ref_ms)
    limit = bounding_ms(ref, recorded_ms)
    assert 0 <= limit <= max(0, min(ref_ms, recorded_ms))
    for time in times_of(result(submitted_at=claimed, started_at=claimed), ref, recorded_ms):
        assert time.timestamp() * 1000 <= limit + CLOCK_SKEW.total_seconds() * 1000
        assert time.astimezone(ZoneInfo(zone))


def test_a_record_without_timestamp_claims_the_beginning_of_the_clock() -> None:
    without = msgspec.structs.replace(REF, timestamp_ms=-1)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert times_of(result(submitted_at=NOW), without) == [epoch + CLOCK_SKEW, epoch]


def test_a_record_is_stamped_so_late_that_its_times_are_kept() -> None:
    ahead = NOW + timedelta(minutes=40, microseconds=1)
    value = result(submitted_at=ahead, finished_at=NOW)
    stamp_ms = record_timestamp_ms(value, NOW_MS)
    assert stamp_ms == NOW_MS + 30 * 60 * 1000 + 1
    assert times_of(value, msgspec.structs.replace(REF, timestamp_ms=stamp_ms)) == [ahead, NOW]


@pytest.mark.parametrize("ahead", [-timedelta(days=9), timedelta(0), CLOCK_SKEW])
def test_a_record_whose_times_are_not_ahead_is_stamped_now(ahead: timedelta) -> None:
    assert record_timestamp_ms(result(submitted_at=NOW + ahead), NOW_MS) == NOW_MS
    assert record_timestamp_ms(b'{"image_path": "a"}', NOW_MS) == NOW_MS


@given(claimed=instants)
def test_no_record_is_stamped_later_than_topics_accept(claimed: datetime) -> None:
    stamp_ms = record_timestamp_ms(result(started_at=claimed), NOW_MS)
    assert NOW_MS <= stamp_ms < NOW_MS + HOUR_MS
