"""Encodes and decodes events. Worker and recorder validate every record with `decode`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast, get_args, get_type_hints

import msgspec

from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import (
    AnyEvent,
    BatchCompleted,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    CommandEvent,
    Event,
    ImageSubmitted,
    LifecycleEvent,
    OcrEvent,
    OcrFailed,
    OcrSucceeded,
    TaskFailed,
    TaskRevoked,
    TaskStarted,
    TaskSucceeded,
    WorkerSeen,
)
from ocrstream_schemas.fields import MAX_BATCH_IMAGES
from ocrstream_schemas.ids import RecordRef, derive_chain_id, ocr_task_id
from ocrstream_schemas.times import CLOCK_SKEW, bounding_ms, moment_of
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    BATCHES_COMPLETED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
    WORKERS_HEARTBEATS,
    is_images_topic,
)
from ocrstream_schemas.wire import encoding_error, json_text

MAX_NESTING = 64

_IMAGES = msgspec.json.Decoder(ImageSubmitted)
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    BATCHES_COMMANDS: msgspec.json.Decoder(CommandEvent),
    TASKS_LIFECYCLE: msgspec.json.Decoder(LifecycleEvent),
    OCR_RESULTS: msgspec.json.Decoder(OcrEvent),
    BATCHES_COMPLETED: msgspec.json.Decoder(BatchCompleted),
    WORKERS_HEARTBEATS: msgspec.json.Decoder(WorkerSeen),
}

# A record's timestamp is the default of these fields.
_DEFAULT_TIME_FIELDS: Mapping[type[Event], tuple[str, ...]] = {
    ImageSubmitted: ("submitted_at",),
    BatchSubmitted: ("submitted_at",),
    BatchRevoked: ("revoked_at",),
    BatchRetryRequested: ("requested_at",),
    TaskStarted: ("started_at",),
    TaskSucceeded: ("finished_at",),
    TaskFailed: ("finished_at",),
    TaskRevoked: ("finished_at",),
    OcrSucceeded: ("submitted_at", "finished_at"),
    OcrFailed: ("submitted_at", "finished_at"),
}
_TIME_FIELDS: Mapping[type[Event], tuple[str, ...]] = {
    kind: tuple(field for field in kind.__struct_fields__ if field.endswith("_at"))
    for kind in get_args(AnyEvent)
}

_TOTAL_FIELDS: Mapping[type[Event], str] = {
    ImageSubmitted: "batch_total",
    BatchSubmitted: "total_images",
}

# Fields whose value is an object of the contract, whose own fields may be null as well.
_NESTED = frozenset(
    name
    for kind in get_args(AnyEvent)
    for name, hint in get_type_hints(kind).items()
    if any(isinstance(part, type) and issubclass(part, msgspec.Struct) for part in get_args(hint))
)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

EventT = TypeVar("EventT", bound=Event)


def decode(
    topic: str, value: bytes | None, ref: RecordRef, recorded_ms: int | None = None
) -> AnyEvent:
    """Decodes a record and completes the event with the ids and times that it lacks.

    It skips a byte order mark. `recorded_ms` is the record's own timestamp, None if `ref` holds it.
    A time of the event that is more than CLOCK_SKEW after `times.bounding_ms` becomes that limit,
    so every reader and replay compares the same times.

    Raises InvalidRecordError with a one-line reason if the value is not JSON in UTF-8, breaks the
    schema, announces more than MAX_BATCH_IMAGES, or contains what the database cannot store (NUL,
    more than 64 levels); KeyError if the contract does not have the topic.
    """
    decoder = _IMAGES if is_images_topic(topic) else _DECODERS[topic]
    if value is None:
        raise InvalidRecordError("the record has no value (a tombstone)")
    try:
        event = _decode(decoder, json_text(value))
    except RecursionError as error:
        raise InvalidRecordError(f"nested deeper than {MAX_NESTING} levels") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRecordError(encoding_error(value) or str(error)) from error
    check_open_fields(event, value)
    _check_total(event)
    own_ms = ref.timestamp_ms if recorded_ms is None else recorded_ms
    return _complete(event, value, ref, moment_of(bounding_ms(ref, own_ms)))


def _decode(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:
    try:
        return decoder.decode(value)
    except msgspec.ValidationError:
        # msgspec accepts null only where a type includes it. Few records contain null, so the
        # others are decoded once.
        if b"null" not in value:
            raise
        return decoder.decode(_without_nulls(value))


def _without_nulls(value: bytes) -> bytes:
    """Removes null members from a JSON object; all other members keep their bytes."""
    members = {name: raw for name, raw in _MEMBERS.decode(value).items() if bytes(raw) != b"null"}
    for name in _NESTED & members.keys():
        if bytes(members[name]).startswith(b"{"):
            members[name] = msgspec.Raw(_without_nulls(bytes(members[name])))
    return msgspec.json.encode(members)


def encode(event: Event) -> bytes:
    """Encodes the event as JSON."""
    return msgspec.json.encode(event)


def _complete(event: Any, value: bytes, ref: RecordRef, recorded_at: datetime) -> AnyEvent:
    # Events are frozen, but no other code has this one yet; a changed copy takes ten times as long.
    set_field = msgspec.structs.force_setattr
    kind = type(event)
    latest = recorded_at + CLOCK_SKEW
    for field in _TIME_FIELDS[kind]:
        moment = getattr(event, field)
        if moment is None:
            continue
        bounded = min(moment if moment.tzinfo is UTC else _to_utc(field, moment), latest)
        if bounded is not moment:
            set_field(event, field, bounded)
    for field in _DEFAULT_TIME_FIELDS.get(kind, ()):
        if getattr(event, field) is None:
            set_field(event, field, recorded_at)
    if kind is ImageSubmitted:
        if event.chain_id is None:
            chain_id = derive_chain_id(event.batch_id, event.index, event.image_path, ref, value)
            set_field(event, "chain_id", chain_id)
    elif kind in (OcrSucceeded, OcrFailed) and event.task_id is None:
        set_field(event, "task_id", ocr_task_id(event.chain_id, event.task_name, event.run))
    return cast("AnyEvent", event)


def _to_utc(field: str, moment: datetime) -> datetime:
    # A year at the edge of the calendar cannot be moved to another time zone.
    if not 1 < moment.year < 9999:
        raise InvalidRecordError(f"{field}: the year {moment.year} is out of range")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def check_open_fields(event: Event, value: bytes) -> None:
    """Raises InvalidRecordError for what the types allow: more than 64 levels, and NUL.

    `value` is the event as JSON. Producers call it before they send an event.
    """
    for field in ("options", "input_data"):
        content = getattr(event, field, None)
        if content is not None:
            _check_depth(field, content)
    # JSON can contain NUL only as an escape; few values contain a literal backslash before "u0000".
    if b"\\u0000" in value:
        _check_no_nul(msgspec.to_builtins(event))


def _check_total(event: Event) -> None:
    field = _TOTAL_FIELDS.get(type(event))
    if field is not None and (getattr(event, field) or 0) > MAX_BATCH_IMAGES:
        raise InvalidRecordError(
            f"{field}: a batch has at most {MAX_BATCH_IMAGES:,} images; split it"
        )


def _check_depth(field: str, content: Any) -> None:
    level, depth = [content], 1
    while level:
        if depth > MAX_NESTING:
            raise InvalidRecordError(f"{field}: nested deeper than {MAX_NESTING} levels")
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        depth += 1


def _check_no_nul(root: Any) -> None:
    rest = [root]
    while rest:
        node = rest.pop()
        if isinstance(node, str):
            if "\0" in node:
                raise InvalidRecordError("a string contains NUL, which the database cannot store")
        elif isinstance(node, dict):
            rest.extend(node.keys())
            rest.extend(node.values())
        elif isinstance(node, list | tuple):
            rest.extend(node)
