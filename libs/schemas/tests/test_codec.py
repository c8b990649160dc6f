"""Bytes to events and back: what every reader accepts and refuses."""

import codecs
import contextlib
import json
import math
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_schemas import events
from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import (
    AnyEvent,
    BatchCompleted,
    Event,
    ImageSubmitted,
    OcrSucceeded,
    TaskStarted,
    WorkerSeen,
)
from ocrstream_schemas.fields import MAX_BATCH_IMAGES
from ocrstream_schemas.headers import (
    cloud_event_headers,
    origin_headers,
    origin_of,
)
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.salvage import salvage
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    BATCHES_COMPLETED,
    DEAD_LETTER_HEADROOM_BYTES,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    RECORDED_TOPICS,
    TASKS_LIFECYCLE,
    TOPICS,
    WORKERS_HEARTBEATS,
    dead_letter_topic,
    lane_topic,
    timestamp_limits,
)

REF = RecordRef(IMAGES_SUBMITTED, 3, 17, 1_800_000_000_000)
TOPIC_OF: dict[type[Event], str] = {
    ImageSubmitted: IMAGES_SUBMITTED,
    BatchCompleted: BATCHES_COMPLETED,
    WorkerSeen: WORKERS_HEARTBEATS,
    **dict.fromkeys(get_args(events.LifecycleEvent), TASKS_LIFECYCLE),
    **dict.fromkeys(get_args(events.OcrEvent), OCR_RESULTS),
    **dict.fromkeys(get_args(events.CommandEvent), BATCHES_COMMANDS),
}

# Any text that JSON can carry and the database can store.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
identifiers = texts.filter(bool)
RECORDED_AT = datetime(2027, 1, 15, 8, tzinfo=UTC)
moments = st.datetimes(datetime(2, 1, 1), datetime(2027, 1, 15, 8), timezones=st.just(UTC))  # noqa: DTZ001
counts = st.integers(0, 2**31 - 1)
totals = st.integers(0, MAX_BATCH_IMAGES)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("batch_id", "chain_id", "task_id", "image_path", "public_path", "request_id", "worker"),
        identifiers,
    ),
    **dict.fromkeys(
        (
            *("chain_name", "initiated_by", "source_name", "batch_name", "task_name"),
            *("error", "status", "host", "engine", "device"),
        ),
        texts,
    ),
    **dict.fromkeys(("batch_total", "total_images"), totals),
    **dict.fromkeys(("index", "completed_images", "failed_images", "revoked_images"), counts),
    **dict.fromkeys(("images_in_flight", "images_done"), counts),
    **dict.fromkeys(
        ("total_tasks", "page", "chunk_size", "revision", "run", "attempt"),
        st.integers(1, 2**31 - 2),
    ),
    **dict.fromkeys(
        ("submitted_at", "started_at", "finished_at", "revoked_at", "requested_at"), moments
    ),
    **dict.fromkeys(("options", "input_data"), st.dictionaries(texts, json_values, max_size=3)),
    "failed_by_reason": st.dictionaries(texts, counts, max_size=3),
    "reason": st.sampled_from(events.Reason),
    "backoff_s": st.floats(0, 100),
    **dict.fromkeys(("include_no_text", "ready", "stopped"), st.booleans()),
    "versions": st.dictionaries(texts, texts, max_size=3),
    "lanes": st.lists(texts, max_size=3).map(tuple),
    "images_per_s": st.floats(0, 1e9),
    "interval_s": st.floats(0, 60, exclude_min=True),
    "boxes": st.lists(
        st.builds(
            events.TextBox,
            text=texts,
            confidence=st.floats(0, 1),
            bbox=st.tuples(*[st.tuples(st.floats(0, 9), st.floats(0, 9))] * 4),
        ),
        max_size=3,
    ).map(tuple),
    "refused": st.builds(events.Refusal, reason=st.sampled_from(events.Reason), error=texts),
    "provenance": st.builds(
        events.Provenance,
        engine=texts,
        models=st.dictionaries(
            texts, st.text("0123456789abcdef", min_size=64, max_size=64), max_size=16
        ),
        boxes=st.sampled_from(["line", "word"]),
        width=counts,
        height=counts,
        timings_s=st.dictionaries(texts, FINITE, max_size=3),
        skew=FINITE,
        shrink=FINITE,
        warnings=st.lists(
            st.builds(events.ResultWarning, code=texts, detail=texts), max_size=16
        ).map(tuple),
    ),
}


@st.composite
def whole_events(draw: st.DrawFn) -> Event:
    """An event with every field given, as our own producers send it."""
    kind: Any = draw(st.sampled_from(sorted(TOPIC_OF, key=lambda one: one.__name__)))
    return kind(**{name: draw(FIELDS[name]) for name in kind.__struct_fields__})


@given(whole_events())
def test_what_was_encoded_is_decoded(event: Event) -> None:
    assert decode(TOPIC_OF[type(event)], encode(event), REF) == event


def defaults_of(value: Any, kind: Any) -> list[tuple[Any, str]]:
    """The places of all fields with a default in an event as JSON: the object, and the name."""
    if isinstance(value, list):
        item = next(iter(get_args(kind)), None)
        return [place for one in value for place in defaults_of(one, item)]
    if not isinstance(value, dict) or not hasattr(kind, "__struct_fields__"):
        return []
    places: list[tuple[Any, str]] = []
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        if not field.required:
            places.append((value, field.name))
        hint = hints[field.name]
        for part in (hint, *get_args(hint)):
            places += defaults_of(value.get(field.name), part)
    return places


@given(whole_events(), st.data())
def test_null_and_missing_mean_the_same(event: Event, data: st.DataObject) -> None:
    topic = TOPIC_OF[type(event)]
    value = json.loads(encode(event))
    places = defaults_of(value, type(event))
    if topic == IMAGES_SUBMITTED:
        places.append((value, "type"))
    chosen = data.draw(st.lists(st.sampled_from(places), min_size=1)) if places else []
    for holder, name in chosen:
        holder[name] = None
    with_nulls = json.dumps(value).encode()
    for holder, name in chosen:
        holder.pop(name, None)
    # An event's ids and times are completed from its record: the bytes matter only without a batch.
    if isinstance(event, ImageSubmitted) and not {"chain_id", "batch_id"} & value.keys():
        value["chain_id"] = "c"
        with_nulls = with_nulls.replace(b'"chain_id": null', b'"chain_id": "c"')
    assert decode(topic, with_nulls, REF) == decode(topic, json.dumps(value).encode(), REF)


NUMBERS = (
    b'{"image_path": "a", "run": null, "chain_id": "c", "options": '
    b'{"n": 123456789012345678901234567890, "x": 1e-7, "k": null, "t": "null"}}'
)


def test_what_stands_beside_a_null_stays_as_it_is() -> None:
    without = NUMBERS.replace(b'"run": null, ', b"")
    assert decode(IMAGES_SUBMITTED, NUMBERS, REF) == decode(IMAGES_SUBMITTED, without, REF)


@pytest.mark.parametrize(
    "value",
    [
        b'{"image_path": null, "run": null}',
        b'{"image_path": "a", "run": null, "index": "1"}',
        b'{"image_path": "a", "run": null, "options": [null]}',
        b"[null]",
    ],
)
def test_a_null_excuses_nothing_else(value: bytes) -> None:
    with pytest.raises(InvalidRecordError):
        decode(IMAGES_SUBMITTED, value, REF)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_do_anything_but_decode_or_be_refused(value: bytes) -> None:
    for topic in TOPIC_OF.values():
        with contextlib.suppress(InvalidRecordError):
            decode(topic, value, REF)
        image, batch_id = salvage(topic, value, REF)
        assert image is None or 1 <= len(image.chain_id) <= 255
        assert image is None or image.batch_id == batch_id


def submitted(**fields: Any) -> AnyEvent:
    return decode(IMAGES_SUBMITTED, json.dumps({"image_path": "a", **fields}).encode(), REF)


def test_the_smallest_submission_is_completed() -> None:
    event = submitted()
    assert isinstance(event, ImageSubmitted)
    assert event.submitted_at == RECORDED_AT
    assert event.chain_id
    assert (event.run, event.batch_id, event.total_tasks) == (1, None, None)
    batched = submitted(batch_id="b", index=1)
    assert submitted(type="ImageSubmitted", color="blue", batch_id="b", index=1) == batched


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("image_path", 255),
        ("chain_id", 255),
        ("batch_id", 255),
        ("public_path", 255),
        ("chain_name", 255),
        ("initiated_by", 100),
        ("source_name", 1024),
    ],
)
def test_texts_end_where_their_columns_do(field: str, longest: int) -> None:
    submitted(**{field: "ü" * longest})
    with pytest.raises(InvalidRecordError, match=field):
        submitted(**{field: "ü" * (longest + 1)})


@pytest.mark.parametrize("field", ["image_path", "chain_id", "batch_id", "public_path"])
def test_what_names_something_is_not_empty(field: str) -> None:
    with pytest.raises(InvalidRecordError, match=field):
        submitted(**{field: ""})


@pytest.mark.parametrize(
    ("field", "least", "greatest"),
    [
        ("index", 0, 2**31 - 1),
        ("run", 1, 2**31 - 2),
        ("total_tasks", 1, 2**31 - 1),
        ("batch_total", 0, MAX_BATCH_IMAGES),
        ("page", 1, 2**31 - 1),
    ],
)
def test_numbers_end_where_their_columns_do(field: str, least: int, greatest: int) -> None:
    submitted(**{field: least})
    submitted(**{field: greatest})
    for beyond in (least - 1, greatest + 1, 1.5, "1"):
        with pytest.raises(InvalidRecordError, match=field):
            submitted(**{field: beyond})


def test_an_announced_total_ends_there_too() -> None:
    def announced(total: int) -> AnyEvent:
        value = {"type": "BatchSubmitted", "batch_id": "b", "total_images": total}
        return decode(BATCHES_COMMANDS, json.dumps(value).encode(), REF)

    announced(MAX_BATCH_IMAGES)
    with pytest.raises(InvalidRecordError, match="total_images: a batch has at most 100,000,000"):
        announced(MAX_BATCH_IMAGES + 1)


@pytest.mark.parametrize(
    "value",
    [
        b'{"image_path": "a\\u0000"}',
        b'{"image_path": "a", "options": {"k\\u0000": 1}}',
        b'{"image_path": "a", "options": {"k": ["\\u0000"]}}',
        b'{"image_path": "a\\ud800"}',
        b'{"image_path": "a", "options": {"k": "\\udc00"}}',
        b'{"image_path": "\xff"}',
        b'{"image_path": "a", "options": {"k": NaN}}',
        b'{"image_path": "a", "options": {"k": 1e999}}',
        b'{"image_path": "a"',
        b'["image_path"]',
        b"null",
        b"",
        None,
        b'{"type": "TaskStarted", "image_path": "a"}',
        b'{"image_path": "a", "options": ' + b'{"k":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ],
)
def test_what_cannot_be_stored_is_refused(value: bytes | None) -> None:
    with pytest.raises(InvalidRecordError):
        decode(IMAGES_SUBMITTED, value, REF)


SUBMISSION = b'{"image_path": "a", "batch_id": "b", "index": 3}'


def test_a_byte_order_mark_before_a_value_says_nothing() -> None:
    marked = codecs.BOM_UTF8 + SUBMISSION
    assert decode(IMAGES_SUBMITTED, marked, REF) == decode(IMAGES_SUBMITTED, SUBMISSION, REF)
    broken = SUBMISSION.replace(b"3", b"-3")
    marked = codecs.BOM_UTF8 + broken
    assert salvage(IMAGES_SUBMITTED, marked, REF) == salvage(IMAGES_SUBMITTED, broken, REF)
    assert salvage(IMAGES_SUBMITTED, marked, REF).batch_id == "b"
    with pytest.raises(InvalidRecordError):
        decode(IMAGES_SUBMITTED, codecs.BOM_UTF8 + marked, REF)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\0" + (77).to_bytes(4) + SUBMISSION, "schema registry.*schema id 77"),
        (b"\0" + (77).to_bytes(4) + b"\x02a\x00", "schema registry.*schema id 77"),
        (SUBMISSION.decode().encode("utf-16"), "UTF-16; send UTF-8"),
        (codecs.BOM_UTF16_BE + SUBMISSION.decode().encode("utf-16-be"), "UTF-16"),
        (SUBMISSION.decode().encode("utf-16-le"), "UTF-16"),
        (SUBMISSION.decode().encode("utf-16-be"), "UTF-16"),
    ],
    ids=["registry JSON", "registry Avro", "BOM", "BOM of BE", "LE", "BE"],
)
def test_the_encoding_of_a_value_that_is_no_json_is_named(value: bytes, told: str) -> None:
    with pytest.raises(InvalidRecordError, match=told):
        decode(IMAGES_SUBMITTED, value, REF)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    value = b'{"image_path": "a\\\\u0000"}'
    event = decode(IMAGES_SUBMITTED, value, REF)
    assert isinstance(event, ImageSubmitted)
    assert event.image_path == "a\\u0000"


def test_nesting_ends_at_64() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels - 1):
            value = [value]
        return {"k": value}

    submitted(options=nested(63))
    with pytest.raises(InvalidRecordError, match="64"):
        submitted(options=nested(64))


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T14:00:00+02:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00.123456Z", datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times_are_instants(said: str, moment: datetime) -> None:
    event = submitted(submitted_at=said)
    assert isinstance(event, ImageSubmitted)
    assert event.submitted_at == moment
    assert event.submitted_at is not None
    assert event.submitted_at.tzinfo is UTC


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "now"])
def test_times_that_are_no_instants_are_refused(said: str) -> None:
    with pytest.raises(InvalidRecordError, match="submitted_at"):
        submitted(submitted_at=said)


def test_outcomes_are_completed_from_their_record() -> None:
    value = b'{"type": "OcrSucceeded", "chain_id": "c", "image_path": "a", "boxes": []}'
    event = decode(OCR_RESULTS, value, REF)
    assert isinstance(event, OcrSucceeded)
    assert event.task_id
    assert event.finished_at == event.submitted_at == RECORDED_AT
    started = decode(
        TASKS_LIFECYCLE,
        b'{"type": "TaskStarted", "chain_id": "c", "task_id": "t", "task_name": "n"}',
        REF,
    )
    assert isinstance(started, TaskStarted)
    assert started.started_at == event.finished_at


def test_every_recorded_topic_has_a_dead_letter_topic_with_room() -> None:
    for topic in RECORDED_TOPICS:
        origin, letters = TOPICS[topic], TOPICS[dead_letter_topic(topic)]
        room = letters.max_message_bytes - origin.max_message_bytes
        assert room == DEAD_LETTER_HEADROOM_BYTES == 64 * 1024
        assert letters.retention_ms >= origin.retention_ms
    assert lane_topic("urgent") in RECORDED_TOPICS
    assert RECORDED_TOPICS[-3] == IMAGES_SUBMITTED


def test_no_topic_takes_what_it_would_soon_delete() -> None:
    for spec in TOPICS.values():
        config, retention_ms = spec.config, spec.retention_ms
        if config.get("message.timestamp.type") != "LogAppendTime":
            left_ms = retention_ms - int(config["message.timestamp.before.max.ms"])
            assert left_ms == 24 * 3600 * 1000
            assert int(config["message.timestamp.after.max.ms"]) == 3600 * 1000


@given(st.integers(0, 2**62))
def test_what_a_topic_takes_stays_for_a_seventh_of_its_retention(retention_ms: int) -> None:
    before_ms = int(timestamp_limits(retention_ms)["message.timestamp.before.max.ms"])
    assert before_ms + retention_ms // 7 == retention_ms


@given(st.integers(0, 99), st.integers(0, 2**40), st.integers(0, 2**40))
def test_first_coordinates_go_through_dead_letters_and_back(
    partition: int, offset: int, timestamp_ms: int
) -> None:
    origin = RecordRef("images.submitted", partition, offset, timestamp_ms)
    assert origin_of(origin_headers(origin), REF) == origin
    assert origin_of(origin_headers(origin)[1:], REF) == REF
    for beyond in ({"offset": 2**63}, {"partition": -1}, {"topic": "t" * 250}, {"topic": "\0"}):
        assert origin_of(origin_headers(msgspec.structs.replace(origin, **beyond)), REF) == REF
    assert origin_of([("ocrstream_origin_offset", b"\xff"), *origin_headers(REF)], origin) == REF


def test_cloud_events_headers_are_whole() -> None:
    headers = dict(cloud_event_headers(ImageSubmitted(image_path="a"), "/test", "id-1"))
    assert headers["ce_id"] == b"id-1"
    assert headers["ce_type"] == b"ImageSubmitted"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/json"
    assert datetime.fromisoformat(headers["ce_time"].decode()).tzinfo is not None


def test_what_is_broken_is_salvaged_as_far_as_it_is_valid() -> None:
    value = json.dumps(
        {"image_path": "a", "batch_id": "b", "index": 4, "run": "one", "task_name": "\0"}
    ).encode()
    with pytest.raises(InvalidRecordError):
        decode(IMAGES_SUBMITTED, value, REF)
    found = salvage(IMAGES_SUBMITTED, value, REF).image
    whole = submitted(batch_id="b", index=4)
    assert isinstance(whole, ImageSubmitted)
    assert found is not None
    assert (found.chain_id, found.batch_id, found.index) == (whole.chain_id, "b", 4)
    assert (found.run, found.task_name) == (1, None)
    assert salvage(OCR_RESULTS, value, REF) == (None, "b")


@given(st.dictionaries(st.sampled_from(["chain_id", "batch_id", "index", "run"]), json_values))
def test_the_batch_is_salvaged_alike_with_and_without_its_image(fields: dict[str, Any]) -> None:
    unnamed = fields | {"chain_id": None}
    named = fields | {"chain_id": "c"}
    without, whole = (
        salvage(OCR_RESULTS, json.dumps(value).encode(), REF) for value in (unnamed, named)
    )
    assert without == (None, whole.batch_id)
    assert whole.image is not None
    assert whole.image.batch_id == whole.batch_id


def test_a_broken_value_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def parse(value: bytes) -> bytes:
        parsed.append(value)
        return value

    monkeypatch.setattr("ocrstream_schemas.salvage.json_text", parse)
    assert salvage(OCR_RESULTS, b'{"batch_id": "b"}', REF) == (None, "b")
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": {"det": "no hash"}},
        {"models": {f"{n}": "0" * 64 for n in range(17)}},
        {"boxes": "both"},
        {"turn": 45},
        {"skew": math.nan},
        {"skew": 10**400},
        {"shrink": math.inf},
        {"timings_s": {"decode": math.nan}},
        {"versions": {"\0": "1"}},
        {"versions": {"a": "\ud800"}},
        {"warnings": [{"code": "c", "detail": "\0"}]},
        {"warnings": [{"code": "c", "detail": ""}] * 17},
    ],
)
def test_a_provenance_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    value = {
        "type": "OcrSucceeded",
        "chain_id": "c",
        "image_path": "a",
        "boxes": [],
        "provenance": {"engine": "e"},
    }
    decode(OCR_RESULTS, json.dumps(value).encode(), REF)
    value["provenance"] = {"engine": "e", **wrong}
    with pytest.raises(InvalidRecordError):
        decode(OCR_RESULTS, json.dumps(value).encode(), REF)
