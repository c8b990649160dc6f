"""Random events about a few batches, chains and tasks that collide on purpose."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRevoked,
    BatchSubmitted,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Reason,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TextBox,
)
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
)

_DAY = datetime(2026, 5, 1, tzinfo=UTC)
_SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0))
_LIFECYCLE = (TaskSubmitted, TaskStarted, TaskRetried, TaskSucceeded, TaskFailed, TaskRevoked)

moments = st.integers(0, 6).map(lambda seconds: _DAY + timedelta(seconds=seconds))
batch_ids = st.sampled_from(["batch-1", "batch-2"])
runs = st.sampled_from([1, 1, 1, 2])
totals = st.integers(0, 6)


def _maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


def _boxes(text: str) -> tuple[TextBox, ...]:
    return (TextBox(text=text, confidence=0.5, bbox=_SQUARE),) if text else ()


_context = {
    "batch_id": _maybe(batch_ids),
    "index": _maybe(st.integers(0, 4)),
    "run": runs,
    "submitted_at": _maybe(moments),
    "total_tasks": _maybe(st.integers(1, 2)),
    "chain_name": _maybe(st.sampled_from(["a", "b"])),
    "initiated_by": _maybe(st.sampled_from(["x", "y"])),
    "options": _maybe(st.sampled_from([{"a": 1}, {"a": [1.5, None]}, {}])),
}
chain_ids = st.sampled_from(["chain-1", "chain-2", "chain-3"])
image_paths = st.sampled_from(["file:///1.png", "file:///2.png"])
task_ids = st.sampled_from(["task-1", "task-2", "task-3", "task-4"])
attempts = st.integers(1, 3)
errors = st.sampled_from(["e", "f"])

submissions = st.builds(
    ImageSubmitted,
    **_context,
    image_path=image_paths,
    chain_id=_maybe(chain_ids),
    batch_total=_maybe(totals),
)
results = st.one_of(
    st.builds(
        OcrSucceeded,
        **_context,
        chain_id=chain_ids,
        image_path=image_paths,
        attempt=attempts,
        started_at=_maybe(moments),
        finished_at=_maybe(moments),
        boxes=st.sampled_from(["", "one", "two"]).map(_boxes),
    ),
    st.builds(
        OcrFailed,
        **_context,
        chain_id=chain_ids,
        image_path=image_paths,
        attempt=attempts,
        started_at=_maybe(moments),
        finished_at=_maybe(moments),
        reason=st.sampled_from([Reason.NOT_FOUND, Reason.ENGINE, Reason.REVOKED]),
        error=errors,
    ),
)


@st.composite
def lifecycles(draw: st.DrawFn) -> Event:
    kind: Any = draw(st.sampled_from(_LIFECYCLE))
    fields: dict[str, Any] = {name: draw(values) for name, values in _context.items()}
    fields |= {
        "task_id": draw(task_ids),
        "task_name": draw(st.sampled_from(["layout", "ocr"])),
        "chain_id": draw(chain_ids),
        "attempt": draw(attempts),
        "image_path": draw(_maybe(image_paths)),
    }
    for name in ("started_at", "finished_at"):
        if name in kind.__struct_fields__:
            fields[name] = draw(_maybe(moments))
    if "error" in kind.__struct_fields__:
        fields["error"] = draw(errors)
    return kind(**fields)


deadlines = st.one_of(moments.map(datetime.isoformat), st.just("soon")).map(
    lambda told: {"deadline": told}
)
commands = st.one_of(
    st.builds(
        BatchSubmitted,
        batch_id=batch_ids,
        batch_name=_maybe(st.sampled_from(["n", "m"])),
        total_images=_maybe(totals),
        chunk_size=_maybe(st.integers(1, 3)),
        options=_maybe(deadlines),
        submitted_at=moments,
    ),
    st.builds(BatchRevoked, batch_id=batch_ids, run=runs, revoked_at=moments),
)

_TOPICS: dict[type[Event], str] = {
    ImageSubmitted: IMAGES_SUBMITTED,
    OcrSucceeded: OCR_RESULTS,
    OcrFailed: OCR_RESULTS,
    BatchSubmitted: BATCHES_COMMANDS,
    BatchRevoked: BATCHES_COMMANDS,
}


@st.composite
def events(draw: st.DrawFn) -> AnyEvent:
    """One event as a reader gets it: through JSON, with everything filled in."""
    event = draw(st.one_of(submissions, results, results, lifecycles(), commands))
    topic = _TOPICS.get(type(event), TASKS_LIFECYCLE)
    timestamp_ms = int(draw(moments).timestamp() * 1000)
    ref = RecordRef(topic, 0, draw(st.integers(0, 2)), timestamp_ms)
    return decode(topic, encode(event), ref)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 24) -> tuple[list[AnyEvent], list[list[AnyEvent]]]:
    """A set of events, and polls that bring each at least once, in any order."""
    told = draw(st.lists(events(), min_size=1, max_size=max_size))
    again = draw(st.lists(st.sampled_from(told), max_size=len(told)))
    order = draw(st.permutations([*told, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=5)))
    ends = [*cuts, len(order)]
    polls = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return told, [poll for poll in polls if poll]
