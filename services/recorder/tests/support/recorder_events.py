"""Random events about a few batches, chains and tasks that collide on purpose."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ocrstream_schemas.events import (
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    Refusal,
    ResultWarning,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TextBox,
)
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
)

_DAY = datetime(2026, 5, 1, tzinfo=UTC)
_SQUARE = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0))
_LIFECYCLE = (TaskSubmitted, TaskStarted, TaskRetried, TaskSucceeded, TaskFailed, TaskRevoked)

RECORDED_MS = int(_DAY.timestamp() * 1000)
"""When records are written, about."""
FORGED = datetime(2099, 1, 1, tzinfo=UTC)
moments = st.sampled_from([*(_DAY + timedelta(seconds=seconds) for seconds in range(7)), FORGED])
batch_ids = st.sampled_from(["batch-1", "batch-2"])
runs = st.sampled_from([1, 1, 1, 2])
totals = st.integers(0, 6)


_WARNINGS = (
    ResultWarning(code="low_confidence", detail='0.41 "at best" \\ ünï'),
    ResultWarning(code="newer_than_we", detail=""),
)
provenances = st.builds(
    Provenance,
    engine=st.sampled_from(["rapidocr", 'e"\\']),
    versions=st.sampled_from([{}, {"a": "1", "b": "2"}, {"b": "2", "a": "1"}]),
    width=st.none() | st.integers(1, 2),
    timings_s=st.sampled_from([{}, {"recognise": 1e-7}, {"recognise": 1 / 3, "decode": 2.0}]),
    turn=st.sampled_from([0, 90]),
    skew=st.sampled_from([0.0, -1.5]),
    ordered=st.booleans(),
    warnings=st.sampled_from([(), _WARNINGS, _WARNINGS[:1] * 2]),
)


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
    "options": _maybe(st.sampled_from([{"a": 1}, {"a": True}, {"a": [1.5, None]}, {}])),
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
    refused=_maybe(st.builds(Refusal, reason=st.sampled_from(Reason), error=errors)),
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
        provenance=_maybe(provenances),
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
        provenance=_maybe(provenances),
        reason=st.sampled_from(Reason),
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
    if "reason" in kind.__struct_fields__:
        fields["reason"] = draw(st.sampled_from(Reason))
    return kind(**fields)


commands = st.one_of(
    st.builds(
        BatchSubmitted,
        batch_id=batch_ids,
        batch_name=_maybe(st.sampled_from(["n", "m"])),
        total_images=_maybe(totals),
        chunk_size=_maybe(st.integers(1, 3)),
        options=_maybe(st.sampled_from([{"a": 1}, {"deadline": _DAY.isoformat()}])),
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
    BatchRetryRequested: BATCHES_COMMANDS,
}


def topic_of(event: Event) -> str:
    """The topic that an event is written to."""
    return _TOPICS.get(type(event), TASKS_LIFECYCLE)


def events() -> st.SearchStrategy[Event]:
    """One event, as its producer makes it."""
    return st.one_of(submissions, results, results, lifecycles(), commands)
