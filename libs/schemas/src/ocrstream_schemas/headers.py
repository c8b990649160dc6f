"""Record headers: CloudEvents 1.0 in Kafka's binary mode, and the origin of a dead letter.

Consumers do not need them, because every value contains its type.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from ocrstream_schemas.events import Event
from ocrstream_schemas.ids import RecordRef

Headers = list[tuple[str, bytes]]

ORIGIN_TOPIC = "ocrstream_origin_topic"
ORIGIN_PARTITION = "ocrstream_origin_partition"
ORIGIN_OFFSET = "ocrstream_origin_offset"
ORIGIN_TIMESTAMP = "ocrstream_origin_timestamp"
DEAD_LETTER_REASON = "ocrstream_reason"
DEAD_LETTER_ERROR = "ocrstream_error"
DEAD_LETTER_CONSUMER = "ocrstream_consumer"
REDRIVE = "ocrstream_redrive"
"""The number of a redriven record's redrive, from 1."""

_TOPIC_MAX_LENGTH = 249  # Kafka's limit
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1


def cloud_event_headers(event: Event, source: str, event_id: str | None = None) -> Headers:
    """Returns the headers of an event; `source` is the producer as a URI reference."""
    return cloud_event_headers_of(type(event).__name__, source, event_id or str(uuid4()))


def cloud_event_headers_of(event_type: str, source: str, event_id: str) -> Headers:
    """Returns the headers of an encoded event."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]


def origin_headers(ref: RecordRef) -> Headers:
    """Returns headers that keep a record's first coordinates through dead letters and redrives."""
    return [
        (ORIGIN_TOPIC, ref.topic.encode()),
        (ORIGIN_PARTITION, str(ref.partition).encode()),
        (ORIGIN_OFFSET, str(ref.offset).encode()),
        (ORIGIN_TIMESTAMP, str(ref.timestamp_ms).encode()),
    ]


def origin_of(headers: Sequence[tuple[str, bytes | None]], ref: RecordRef) -> RecordRef:
    """Returns a record's first coordinates: its origin headers if they are complete, else `ref`."""
    found = {key: value for key, value in headers if value is not None}
    if ORIGIN_TOPIC not in found:
        return ref
    try:
        origin = RecordRef(
            topic=found[ORIGIN_TOPIC].decode(),
            partition=int(found[ORIGIN_PARTITION]),
            offset=int(found[ORIGIN_OFFSET]),
            timestamp_ms=int(found[ORIGIN_TIMESTAMP]),
        )
    except (KeyError, ValueError):
        return ref
    valid = (
        len(origin.topic) <= _TOPIC_MAX_LENGTH
        and "\0" not in origin.topic
        and 0 <= origin.partition <= _INT32_MAX
        and 0 <= origin.offset <= _INT64_MAX
        and -1 <= origin.timestamp_ms <= _INT64_MAX
    )
    return origin if valid else ref


def redrive_of(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """Returns the number of the record's redrive, from 1; 0 if it is not redriven."""
    found = dict(headers).get(REDRIVE)
    try:
        number = int(found or b"0")
    except ValueError:
        return 0
    return number if 0 <= number <= _INT32_MAX else 0
