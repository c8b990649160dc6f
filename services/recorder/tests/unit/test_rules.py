"""The fold against the oracle: any order, repetition and grouping gives the same states."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_events import events, topic_of
from recorder_ledgers import History, contents_of, histories, record
from recorder_oracle import Content, batches, chains, images, json, tasks

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording.decoding import decode_record
from ocrstream_recorder.rules.batch import (
    ChunkTally,
    Tally,
    batch_outcome,
    chunk_counts,
    progress_percentage,
)
from ocrstream_recorder.rules.chain import ChainOutcome, chain_outcome
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import RowChanges
from ocrstream_runtime.kafka import RawRecord
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import Event
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    IMAGES_SUBMITTED,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
)

to_local = DatabaseZone("UTC").to_local


def changes_of(records: list[RawRecord]) -> list[RowChanges]:
    decoded = [decode_record(one, to_local) for one in records]
    return [one.changes for one in decoded if one.changes is not None]


def fold(polls: list[list[RawRecord]]) -> PollChanges:
    """Each poll on its own, then poll by poll into what was before, as the recorder does."""
    whole = PollChanges()
    for poll in polls:
        changes = PollChanges(changes_of(poll))
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (whole.tasks, changes.tasks),
            (whole.chains, changes.chains),
            (whole.batches, changes.batches),
            (whole.images, changes.images),
        ]
        for kept, added in pairs:
            for key, state in added.items():
                kept[key] = kept[key].join(state) if key in kept else state
    return whole


def agrees(found: Any, row: dict[str, Any], *names: str) -> None:
    assert {name: getattr(found, name) for name in names} == {name: row[name] for name in names}


def check_tasks(contents: list[Content], changes: PollChanges) -> None:
    expected = tasks(contents)
    found = changes.tasks
    assert found.keys() == expected.keys()
    for task_id, row in expected.items():
        agrees(
            found[task_id],
            row,
            *("chain_id", "task_name", "status", "run", "attempt", "retries"),
            *("error", "reason", "started_at", "finished_at", "worker"),
        )


def check_chains(contents: list[Content], changes: PollChanges) -> None:
    expected = chains(contents)
    assert changes.chains.keys() == expected.keys()
    by_chain = changes.tasks_by_chain()
    for chain_id, row in expected.items():
        state = changes.chains[chain_id]
        outcome = chain_outcome(state, by_chain[chain_id].values())
        agrees(state, row, "batch_id", "run", "total_tasks")
        agrees(outcome, row, "status", "completed_tasks", "failed_tasks", "reason")
        agrees(outcome, row, "started_at", "finished_at")
        assert (outcome.error, outcome.first_task_id) == (
            row["error_message"],
            row["celery_task_id"],
        )
        assert (state.name, state.initiator, state.index) == (
            row["chain_name"],
            row["initiated_by"],
            row["image_index"],
        )
        fields = {"index": state.index, **state.fields._asdict()}
        for name in ("chain_name", "initiated_by", "image_index"):
            del fields[name]
        given = {name: value for name, value in fields.items() if value is not None}
        assert json(given) == row["input_data"]


def check_batches(contents: list[Content], changes: PollChanges) -> None:
    expected = batches(contents)
    assert changes.batches.keys() == expected.keys()
    by_chain = changes.tasks_by_chain()
    for batch_id, row in expected.items():
        state, tally, chunks = changes.batches[batch_id], Tally(), dict[int, ChunkTally]()
        for chain_id, chain in changes.chains.items():
            if chain.batch_id == batch_id:
                outcome = chain_outcome(chain, by_chain[chain_id].values())
                tally.count(chain, outcome)
                if chain.index is not None:
                    number = chain.index // state.chunk_size
                    chunks.setdefault(number, ChunkTally()).count(outcome)
        result = batch_outcome(state, tally)
        agrees(
            result,
            row,
            *("status", "total_known", "total_images", "completed_images", "failed_images"),
            *("revoked_images", "started_at", "finished_at"),
        )
        assert result.done_images <= max(result.total_images, tally.seen)
        assert 0 <= progress_percentage(result) <= 100
        assert (progress_percentage(result) == 100) == result.ended
        counts = chunk_counts(state, tally, result, chunks)
        assert (counts.total, counts.completed, counts.failed) == (
            row["total_chunks"],
            row["completed_chunks"],
            row["failed_chunks"],
        )
        if result.ended:
            assert counts.completed + counts.failed == counts.total


def check_images(contents: list[Content], changes: PollChanges) -> None:
    expected, found = images(contents), changes.images
    assert found.keys() == expected.keys()
    for path, row in expected.items():
        names = ("chain_id", "status", "error", "reason", "run", "submitted_at", "value_digest")
        agrees(found[path], row, *names)
        provenance = found[path].provenance
        assert (None if provenance is None else bytes(provenance)) == row["provenance"]
        boxes = [[box.text, box.confidence, box.bbox] for box in found[path].boxes]
        assert json(boxes) == row["boxes"]


@settings(max_examples=300)
@given(histories())
def test_states_are_what_the_events_say(history: History) -> None:
    contents, changes = contents_of(history.records), fold(history.polls)
    check_tasks(contents, changes)
    check_chains(contents, changes)
    check_batches(contents, changes)
    check_images(contents, changes)


@given(st.lists(events(), min_size=2, max_size=12))
def test_joins_are_commutative_associative_and_idempotent(some_events: list[Event]) -> None:
    records = [record(topic_of(event), encode(event), at) for at, event in enumerate(some_events)]
    for kind, key in (
        ("task", "task_id"),
        ("chain", "chain_id"),
        ("batch", "batch_id"),
        ("image", "image_path"),
    ):
        states = [state for one in changes_of(records) if (state := getattr(one, kind)) is not None]
        same = [state for state in states if getattr(state, key) == getattr(states[0], key)]
        for a in same[:4]:
            assert a.join(a) == a
            for b in same[:4]:
                assert a.join(b) == b.join(a)
                for c in same[:4]:
                    assert a.join(b).join(c) == a.join(b.join(c))


def changes_by(*values: tuple[str, dict[str, Any]]) -> PollChanges:
    records = [
        record(topic, msgspec.json.encode(fields), at) for at, (topic, fields) in enumerate(values)
    ]
    return PollChanges(changes_of(records))


def outcome_of(changes: PollChanges) -> ChainOutcome:
    (chain,) = changes.chains.values()
    return chain_outcome(chain, changes.tasks.values())


BROKEN = (OCR_RESULTS, {"type": "OcrSucceeded", "chain_id": "c", "task_id": 5})


@pytest.mark.parametrize(
    ("real", "status"),
    [
        ({"type": "TaskSucceeded"}, "SUCCESS"),
        ({"type": "TaskRevoked"}, "REVOKED"),
        ({"type": "TaskStarted"}, "FAILURE"),
    ],
)
def test_a_dead_letter_that_named_no_task_gives_way_to_any_outcome(
    real: dict[str, Any], status: str
) -> None:
    named = {"chain_id": "c", "task_id": "celery's", "task_name": "ocr"}
    outcome = outcome_of(changes_by(BROKEN, (TASKS_LIFECYCLE, real | named)))
    assert outcome.status == status
    assert outcome.failed_tasks == (status == "FAILURE")


REFUSED = (
    IMAGES_SUBMITTED,
    {
        "image_path": "refused:///b/0-0.pdf",
        "chain_id": "c",
        "batch_id": "b",
        "index": 0,
        "batch_total": 1,
        "source_name": "broken.pdf",
        "submitted_at": "2026-05-01T00:00:00Z",
        "refused": {"reason": "undecodable", "error": "no PDF"},
    },
)


def test_a_refused_image_has_failed() -> None:
    changes = changes_by(REFUSED)
    outcome, (task,) = outcome_of(changes), changes.tasks.values()
    assert (outcome.status, outcome.reason, outcome.error) == ("FAILURE", "undecodable", "no PDF")
    assert (task.status, task.reason, task.error) == ("FAILURE", "undecodable", "no PDF")
    assert task.finished_at is not None
    (image,) = changes.images.values()
    assert (image.status, image.reason) == ("failed", "undecodable")
    tally = Tally()
    tally.count(changes.chains["c"], outcome)
    ended = batch_outcome(changes.batches["b"], tally)
    assert (ended.status, ended.ended, ended.failed_images) == ("FAILURE", True, 1)


def test_a_mended_file_takes_the_place_of_a_refused_one() -> None:
    mended = REFUSED[1] | {"image_path": "file:///mended.pdf", "refused": None}
    read = {"type": "OcrSucceeded", "chain_id": "c", "image_path": "file:///mended.pdf"}
    box = {"text": "t", "confidence": 1, "bbox": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    changes = changes_by(
        (OCR_RESULTS, read | {"boxes": [box]}), (IMAGES_SUBMITTED, mended), REFUSED
    )
    assert outcome_of(changes).status == "SUCCESS"
    assert changes.chains["c"].fields.image_path == "file:///mended.pdf"


def test_a_retry_stays_one_whatever_its_reason() -> None:
    retried = {"type": "TaskRetried", "chain_id": "c", "task_id": "t", "task_name": "ocr"}
    began = retried | {"type": "TaskStarted", "attempt": 2}
    reason = {"reason": "dead_lettered"}
    changes = changes_by((TASKS_LIFECYCLE, retried | reason), (TASKS_LIFECYCLE, began))
    assert changes.tasks["t"].status == "STARTED"


@pytest.mark.parametrize("other", [1.0, True])
def test_equal_means_equal_as_json(other: float) -> None:
    first, second = (
        (BATCHES_COMMANDS, {"type": "BatchSubmitted", "batch_id": "b", "options": {"n": value}})
        for value in (1, other)
    )
    assert changes_by(first, second).batches == changes_by(second, first).batches
    assert changes_by(first).batches != changes_by(second).batches
