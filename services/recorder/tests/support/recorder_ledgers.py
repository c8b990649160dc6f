"""Random ledgers: all that is ever written to the topics about a few batches, as Kafka gives it.

A ledger is made of stories that make sense (chains of one to three tasks, runs, retries, cancels,
announcements, paths read twice, records that broke) and of some events that do not.
"""

import random
from typing import Any, NamedTuple, cast

import msgspec
from aiokafka import ConsumerRecord
from hypothesis import strategies as st
from recorder_events import FORGED, RECORDED_MS, events, moments, provenances, topic_of
from recorder_oracle import Content

from ocrstream_runtime.kafka import RawRecord, decode_event, record_ref
from ocrstream_schemas.codec import encode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import (
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    Refusal,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TextBox,
)
from ocrstream_schemas.headers import origin_headers
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.salvage import salvage

_BATCHES = ("batch-1", "batch-2")
_STAGES = (("ocr",), ("ocr",), ("ocr", "layout"), ("ocr", "layout", "llm"))
_OUTCOMES = (
    "success",
    "success",
    "success",
    "failure",
    "no_text",
    "revoked",
    "unfinished",
    "unfinished",
)
_DEADLINES = ({"deadline": "2026-05-01T00:00:03+00:00"}, {"deadline": "soon"})
_OPTIONS = ({"a": 1}, {"a": 1.0}, {"a": True}, {"b": [1.5, None], "a": {}}, {}, *_DEADLINES)
_TEXTS = ("plain", "tab\tline\nback\\slash", "ünï ✓", "")
# Fields that an event may leave out; any other event about the image can bring them.
_LEFT_OUT = ((), (), (), ("batch_id",), ("index",), ("total_tasks", "options"), ("submitted_at",))


# Of clocks that differ by more than a time in an event may be ahead.
_TIMESTAMPS_MS = st.sampled_from([0, 1_000, 2_000, -3600_000, 1800_000]).map(RECORDED_MS.__add__)
# In origin headers anyone may write anything.
_ORIGINS_MS = st.sampled_from([int(FORGED.timestamp() * 1000), 2**63 - 1]) | _TIMESTAMPS_MS


class History(NamedTuple):
    """All records of a ledger, and how they come: by replica the polls that it writes in turn."""

    records: list[RawRecord]
    replicas: list[list[list[RawRecord]]]

    @property
    def polls(self) -> list[list[RawRecord]]:
        """The polls of all replicas."""
        return [poll for polls in self.replicas for poll in polls]


def record(
    topic: str,
    value: bytes,
    offset: int,
    timestamp_ms: int = RECORDED_MS,
    origin: RecordRef | None = None,
) -> RawRecord:
    """A record of partition 0 with the key of our own producers, as a consumer gets it."""
    fields = msgspec.json.decode(value)
    key = fields.get("chain_id") or fields.get("batch_id")
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=timestamp_ms,
        timestamp_type=0,
        key=key.encode() if isinstance(key, str) else None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value),
        headers=() if origin is None else (*origin_headers(origin),),
    )


def contents_of(records: list[RawRecord]) -> list[Content]:
    """What records say, for the oracle; one that names nothing says nothing."""
    contents: list[Content | None] = []
    for one in records:
        try:
            contents.append(decode_event(one))
        except InvalidRecordError:
            contents.append(salvage(one.topic, one.value, record_ref(one)).image)
    return [one for one in contents if one is not None]


@st.composite
def _boxes(draw: st.DrawFn) -> tuple[TextBox, ...]:
    corner = st.sampled_from([(0.0, 0.0), (1.5, -2.25), (1e-7, 12345.678)])
    return tuple(
        TextBox(
            text=draw(st.sampled_from(_TEXTS)),
            confidence=draw(st.sampled_from([0.0, 0.1, 1 / 3, 1.0])),
            bbox=(draw(corner), draw(corner), (9.0, 4.0), (0.0, 4.0)),
        )
        for _ in range(draw(st.integers(1, 3)))
    )


@st.composite
def _context(draw: st.DrawFn, number: int, batch_id: str | None) -> dict[str, Any]:
    return {
        "chain_id": f"chain-{number}",
        "batch_id": batch_id,
        "index": number,
        "image_path": draw(st.sampled_from([f"file:///{number}.png"] * 3 + ["file:///0.png"])),
        "public_path": draw(st.sampled_from([None, "public", "public/2"])),
        "chain_name": draw(st.sampled_from([None, None, "a", "b"])),
        "initiated_by": draw(st.sampled_from([None, None, "x", "y"])),
        "source_name": draw(st.sampled_from([None, "scan.pdf"])),
        "page": draw(st.sampled_from([None, 2])),
        "options": draw(st.sampled_from([None, *_OPTIONS])),
        "submitted_at": draw(moments),
    }


@st.composite
def _submissions(draw: st.DrawFn, context: dict[str, Any]) -> list[Event]:
    """A submission, or a refused one, of which a file may be stored or not, or both."""
    hint = draw(st.sampled_from([None, None, 1, 3]))
    submission = ImageSubmitted(**context, batch_total=hint)
    if draw(st.integers(0, 5)):
        return [submission]
    refused = msgspec.structs.replace(
        submission,
        image_path=draw(st.sampled_from([submission.image_path, "refused:///0"])),
        refused=Refusal(
            reason=draw(st.sampled_from([Reason.UNDECODABLE, Reason.TOO_LARGE, Reason.REVOKED])),
            error=draw(st.sampled_from(["e", "long " * 200])),
        ),
    )
    return draw(st.sampled_from([[refused], [submission, refused]]))


@st.composite
def _task(draw: st.DrawFn, context: dict[str, Any], stage: str) -> list[Event]:
    """The events of one task in one run."""
    run = context["run"]
    task_id = draw(
        st.sampled_from([None, f"{context['chain_id']}-{stage}-{run}"])
        if stage == "ocr"
        else st.just(f"{context['chain_id']}-{stage}-{run}")
    )
    worker = draw(st.sampled_from([None, "w"]))
    named: dict[str, Any] = {"task_name": stage, "task_id": task_id, "worker": worker}
    lifecycle: dict[str, Any] = context | named
    story: list[Event] = []
    if stage == "ocr" and draw(st.integers(0, 3)):
        story += draw(_submissions(context))
    attempts = draw(st.integers(1, 3))
    if task_id is not None and draw(st.booleans()):
        story.append(TaskSubmitted(**lifecycle))
        for attempt in range(1, attempts):
            fields: dict[str, Any] = lifecycle | {"attempt": attempt, "started_at": draw(moments)}
            story.append(TaskStarted(**fields))
            if draw(st.booleans()):
                story.append(TaskRetried(**fields, error="e", reason=Reason.ENGINE))
    outcome = draw(st.sampled_from(_OUTCOMES))
    fields = lifecycle | {"attempt": attempts}
    fields |= {"started_at": draw(st.none() | moments), "finished_at": draw(st.none() | moments)}
    error = draw(st.sampled_from(["e", "f", "long " * 200]))
    how: dict[str, Any] = {"provenance": draw(st.none() | provenances)}
    match outcome, stage:
        case "success", "ocr":
            story.append(OcrSucceeded(**fields, **how, boxes=draw(_boxes())))
        case "no_text", "ocr":
            story.append(OcrSucceeded(**fields, **how, boxes=()))
        case (("failure" | "revoked"), "ocr"):
            reason = Reason.REVOKED if outcome == "revoked" else Reason.NOT_FOUND
            story.append(OcrFailed(**fields, **how, reason=reason, error=error))
        case "success", _:
            story.append(TaskSucceeded(**fields))
        case "revoked", _:
            story.append(TaskRevoked(**fields, error=error))
        case (("failure" | "no_text"), _):
            reason = Reason.REVOKED if outcome == "no_text" else Reason.ENGINE
            story.append(TaskFailed(**fields, reason=reason, error=error))
        case _:
            pass
    return story


@st.composite
def _chain(draw: st.DrawFn, number: int) -> list[Event]:
    batch_id = draw(st.sampled_from([None, *_BATCHES, *_BATCHES[:1] * 3]))
    context = draw(_context(number, batch_id))
    stages = draw(st.sampled_from(_STAGES))
    story: list[Event] = []
    for run in range(1, 1 + draw(st.sampled_from([1, 1, 1, 2]))):
        context |= {"run": run, "total_tasks": draw(st.sampled_from([len(stages), None]))}
        for stage in stages:
            story += draw(_task(context, stage))
    return [_leaving_out(event, draw(st.sampled_from(_LEFT_OUT))) for event in story]


def _leaving_out(event: Event, fields: tuple[str, ...]) -> Event:
    return msgspec.structs.replace(event, **dict.fromkeys(fields))


def retry_request(batch_id: str, request_id: str, **fields: Any) -> BatchRetryRequested:
    """A request whose content follows from its ids, since the first of equal ids is carried out."""
    no_text = request_id == "with-no-text"
    return BatchRetryRequested(
        batch_id=batch_id, request_id=f"{batch_id}-{request_id}", include_no_text=no_text, **fields
    )


@st.composite
def _commands(draw: st.DrawFn, batch_id: str) -> list[Event]:
    story: list[Event] = [
        BatchSubmitted(
            batch_id=batch_id,
            batch_name=draw(st.sampled_from([None, "n", "m"])),
            total_images=draw(st.sampled_from([None, 0, 1, 2, 2, 3, 4])),
            chunk_size=draw(st.sampled_from([None, 1, 2, 3])),
            initiated_by=draw(st.sampled_from([None, "x", "y"])),
            options=draw(st.sampled_from([None, *_OPTIONS])),
            input_data=draw(st.sampled_from([None, {"from": 1}, {"from": 1.0}])),
            submitted_at=draw(moments),
        )
        for _ in range(draw(st.sampled_from([0, 1, 1, 2])))
    ]
    if not draw(st.integers(0, 4)):
        story.append(BatchRevoked(batch_id=batch_id, run=draw(st.integers(1, 2)), revoked_at=None))
    if not draw(st.integers(0, 4)):
        name = draw(st.sampled_from(["plain", "with-no-text"]))
        story.append(retry_request(batch_id, name, requested_at=draw(moments)))
    return story


@st.composite
def _broken(draw: st.DrawFn, value: bytes) -> bytes:
    """A value that is no event any more, though most of it can be read."""
    fields = cast("dict[str, Any]", msgspec.json.decode(value))
    wrong = draw(st.sampled_from(["page", "total_tasks", "submitted_at", "task_id", "batch_id"]))
    return msgspec.json.encode(fields | {wrong: -1, "options": 0})


def _origins(topic: str) -> st.SearchStrategy[RecordRef | None]:
    """The coordinates of a redriven record before it became a dead letter; None: of any other."""
    return st.sampled_from([False] * 4 + [True]).flatmap(
        lambda redriven: (
            st.builds(RecordRef, st.just(topic), st.just(0), st.integers(0, 9), _ORIGINS_MS)
            if redriven
            else st.none()
        )
    )


@st.composite
def _records(draw: st.DrawFn) -> list[RawRecord]:
    stories = [draw(_chain(number)) for number in range(draw(st.integers(1, 4)))]
    stories += [draw(_commands(batch_id)) for batch_id in _BATCHES]
    story = [event for story in stories for event in story]
    story += draw(st.lists(events(), min_size=0 if story else 1, max_size=4))
    values = [(topic_of(event), encode(event)) for event in story]
    for at in draw(st.sets(st.integers(0, len(values) - 1), max_size=2)):
        topic, value = values[at]
        broken = topic, draw(_broken(value))
        # Mended and redriven, or not.
        values[at : at + 1] = [broken, (topic, value)] if draw(st.booleans()) else [broken]
    return [
        record(topic, value, at, draw(_TIMESTAMPS_MS), draw(_origins(topic)))
        for at, (topic, value) in enumerate(values)
    ]


@st.composite
def histories(draw: st.DrawFn, max_replicas: int = 4) -> History:
    """A ledger whose records come each at least once, in any order, split in any way."""
    records = draw(_records())
    again = draw(st.lists(st.sampled_from(records), max_size=len(records)))
    replicas = draw(st.integers(1, max_replicas))
    return History(records, dealt([*records, *again], draw(st.randoms()), replicas))


def dealt(
    records: list[RawRecord], chance: random.Random, replicas: int
) -> list[list[list[RawRecord]]]:
    """Records in any order, cut into polls, each poll given to any replica."""
    order = list(records)
    chance.shuffle(order)
    polls: list[list[list[RawRecord]]] = [[] for _ in range(replicas)]
    while order:
        size = chance.randint(1, max(1, min(len(order), 12)))
        polls[chance.randrange(replicas)].append(order[:size])
        del order[:size]
    return polls
