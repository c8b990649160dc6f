"""The fold against the oracle: any order, repetition and grouping gives the same states."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_events import events, topic_of
from recorder_ledgers import History, histories, record, told_by
from recorder_oracle import Told, batches, chains, images, json, tasks

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
from ocrstream_schemas.topics import BATCHES_COMMANDS, OCR_RESULTS, TASKS_LIFECYCLE

to_local = DatabaseZone("UTC").to_local


def contributions(records: list[RawRecord]) -> list[RowChanges]:
    judged = [decode_record(one, to_local) for one in records]
    return [one.changes for one in judged if one.changes is not None]


def fold(polls: list[list[RawRecord]]) -> PollChanges:
    """Each poll on its own, then poll by poll into what was before, as the recorder does."""
    whole = PollChanges()
    for poll in polls:
        ledger = PollChanges(contributions(poll))
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (whole.tasks, ledger.tasks),
            (whole.chains, ledger.chains),
            (whole.batches, ledger.batches),
            (whole.images, ledger.images),
        ]
        for kept, said in pairs:
            for key, state in said.items():
                kept[key] = kept[key].join(state) if key in kept else state
    return whole


def agrees(found: Any, row: dict[str, Any], *names: str) -> None:
    assert {name: getattr(found, name) for name in names} == {name: row[name] for name in names}


def check_tasks(told: list[Told], ledger: PollChanges) -> None:
    expected = tasks(told)
    found = ledger.tasks
    assert found.keys() == expected.keys()
    for task_id, row in expected.items():
        agrees(
            found[task_id],
            row,
            *("chain_id", "task_name", "status", "run", "attempt", "retries"),
            *("error", "reason", "started_at", "finished_at", "worker"),
        )


def check_chains(told: list[Told], ledger: PollChanges) -> None:
    expected = chains(told)
    assert ledger.chains.keys() == expected.keys()
    by_chain = ledger.tasks_by_chain()
    for chain_id, row in expected.items():
        state = ledger.chains[chain_id]
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
        given = {name: value for name, value in state.described().items() if value is not None}
        for name in ("chain_name", "initiated_by"):
            given.pop(name, None)
        assert json(given) == row["input_data"]


def check_batches(told: list[Told], ledger: PollChanges) -> None:
    expected = batches(told)
    assert ledger.batches.keys() == expected.keys()
    by_chain = ledger.tasks_by_chain()
    for batch_id, row in expected.items():
        state, tally, chunks = ledger.batches[batch_id], Tally(), dict[int, ChunkTally]()
        for chain_id, chain in ledger.chains.items():
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


def check_images(told: list[Told], ledger: PollChanges) -> None:
    expected, found = images(told), ledger.images
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
    told, ledger = told_by(history.records), fold(history.polls)
    check_tasks(told, ledger)
    check_chains(told, ledger)
    check_batches(told, ledger)
    check_images(told, ledger)


@given(st.lists(events(), min_size=2, max_size=12))
def test_joins_are_commutative_associative_and_idempotent(told: list[Event]) -> None:
    records = [record(topic_of(event), encode(event), at) for at, event in enumerate(told)]
    for kind, key in (
        ("task", "task_id"),
        ("chain", "chain_id"),
        ("batch", "batch_id"),
        ("image", "image_path"),
    ):
        states = [
            state for one in contributions(records) if (state := getattr(one, kind)) is not None
        ]
        same = [state for state in states if getattr(state, key) == getattr(states[0], key)]
        for a in same[:4]:
            assert a.join(a) == a
            for b in same[:4]:
                assert a.join(b) == b.join(a)
                for c in same[:4]:
                    assert a.join(b).join(c) == a.join(b.join(c))


def told_of(*said: tuple[str, dict[str, Any]]) -> PollChanges:
    records = [
        record(topic, msgspec.json.encode(fields), at) for at, (topic, fields) in enumerate(said)
    ]
    return PollChanges(contributions(records))


def outcome_of(ledger: PollChanges) -> ChainOutcome:
    (chain,) = ledger.chains.values()
    return chain_outcome(chain, ledger.tasks.values())


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
    outcome = outcome_of(told_of(BROKEN, (TASKS_LIFECYCLE, real | named)))
    assert outcome.status == status
    assert outcome.failed_tasks == (status == "FAILURE")


def test_a_retry_stays_one_whatever_its_reason() -> None:
    said = {"type": "TaskRetried", "chain_id": "c", "task_id": "t", "task_name": "ocr"}
    began = said | {"type": "TaskStarted", "attempt": 2}
    reason = {"reason": "dead_lettered"}
    ledger = told_of((TASKS_LIFECYCLE, said | reason), (TASKS_LIFECYCLE, began))
    assert ledger.tasks["t"].status == "STARTED"


@pytest.mark.parametrize("other", [1.0, True])
def test_equal_means_equal_as_json(other: float) -> None:
    first, second = (
        (BATCHES_COMMANDS, {"type": "BatchSubmitted", "batch_id": "b", "options": {"n": value}})
        for value in (1, other)
    )
    assert told_of(first, second).batches == told_of(second, first).batches
    assert told_of(first).batches != told_of(second).batches
