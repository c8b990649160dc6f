"""Bounds the times in events by the timestamps of their records (ADR 72).

Rules compare these times, and anyone may write any time. The brokers check a record's timestamp.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import TIMESTAMP_AFTER_MAX_MS

CLOCK_SKEW = timedelta(minutes=10)
"""How far a time in an event may be ahead of the timestamp of its record."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Each time zone can express a bounded time. Topics without a limit take any timestamp.
_LAST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - CLOCK_SKEW - _EPOCH) // _MILLISECOND
# The broker's clock may be behind this one.
_MAX_AHEAD_MS = TIMESTAMP_AFTER_MAX_MS - 60 * 1000


class _Times(msgspec.Struct):
    """All times of all events."""

    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    revoked_at: datetime | None = None
    requested_at: datetime | None = None


_TIMES = msgspec.json.Decoder(_Times)


def bounding_ms(ref: RecordRef, recorded_ms: int) -> int:
    """Returns the earlier of a record's own timestamp, `recorded_ms`, and that in `ref`.

    So forged origin headers cannot raise the bound. A record without a timestamp (-1) counts as
    written in 1970.
    """
    return min(max(min(recorded_ms, ref.timestamp_ms), 0), _LAST_MS)


def moment_of(timestamp_ms: int) -> datetime:
    """Returns the moment of a result of `bounding_ms`."""
    return _EPOCH + timedelta(milliseconds=timestamp_ms)


def record_timestamp_ms(value: bytes, now_ms: int) -> int:
    """Returns the timestamp for the record of an encoded event, so that `decode` keeps its times.

    It is `now_ms`, or later if a time in the event is ahead by more than CLOCK_SKEW: an event
    repeats times that another clock set. It is never so late that topics refuse it.
    """
    times = [time for time in msgspec.structs.astuple(_TIMES.decode(value)) if time is not None]
    if not times:
        return now_ms
    # Rounded up.
    needed_ms = -((_EPOCH - (max(times) - CLOCK_SKEW)) // _MILLISECOND)
    return max(now_ms, min(needed_ms, now_ms + _MAX_AHEAD_MS))
