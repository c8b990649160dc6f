"""Record headers: CloudEvents 1.0 in Kafka's binary mode, and a dead letter's origin.

Consumers never need them: every value says its own type.
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
"""The how-manieth redrive of its dead letter a record is; others are none."""

_TOPIC_MAX_LENGTH = 249  # Kafka's own
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1


def cloud_event_headers(event: Event, source: str, event_id: str | None = None) -> Headers:
    """The headers our own producers add. `source` is the service's name as a URI reference."""
    return cloud_event_headers_of(type(event).__name__, source, event_id or str(uuid4()))


def cloud_event_headers_of(event_type: str, source: str, event_id: str) -> Headers:
    """The same for an event that is bytes already."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]


def origin_headers(ref: RecordRef) -> Headers:
    """Headers that keep a record's first coordinates through the dead-letter topic and back."""
    return [
        (ORIGIN_TOPIC, ref.topic.encode()),
        (ORIGIN_PARTITION, str(ref.partition).encode()),
        (ORIGIN_OFFSET, str(ref.offset).encode()),
        (ORIGIN_TIMESTAMP, str(ref.timestamp_ms).encode()),
    ]


def origin_of(headers: Sequence[tuple[str, bytes | None]], ref: RecordRef) -> RecordRef:
    """The record's first coordinates: those in its origin headers if they are whole, else `ref`."""
    found = {key: value for key, value in headers if value is not None}
    try:
        origin = RecordRef(
            topic=found[ORIGIN_TOPIC].decode(),
            partition=int(found[ORIGIN_PARTITION]),
            offset=int(found[ORIGIN_OFFSET]),
            timestamp_ms=int(found[ORIGIN_TIMESTAMP]),
        )
    except (KeyError, ValueError):
        return ref
    whole = (
        len(origin.topic) <= _TOPIC_MAX_LENGTH
        and "\0" not in origin.topic
        and 0 <= origin.partition <= _INT32_MAX
        and 0 <= origin.offset <= _INT64_MAX
        and -1 <= origin.timestamp_ms <= _INT64_MAX
    )
    return origin if whole else ref


def redrive_of(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """The how-manieth redrive of a dead letter the record is; 0 for one that is none."""
    found = dict(headers).get(REDRIVE)
    try:
        number = int(found or b"0")
    except ValueError:
        return 0
    return number if 0 <= number <= _INT32_MAX else 0
