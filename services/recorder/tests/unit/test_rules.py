"""The fold against the oracle: any order, repetition and grouping gives the same states."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_events import events, histories
from recorder_oracle import batches, chains, images, tasks

from ocrstream_recorder.domain.batch import (
    ChunkTally,
    Tally,
    batch_outcome,
    chunk_counts,
    progress_percentage,
)
from ocrstream_recorder.domain.chain import chain_outcome
from ocrstream_recorder.domain.contribution import contribute
from ocrstream_recorder.domain.ledger import Ledger
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_schemas.events import AnyEvent

to_local = DatabaseZone("UTC").to_local


def fold(polls: list[list[AnyEvent]]) -> Ledger:
    """Each poll on its own, then poll by poll into what was before, as the recorder does."""
    whole = Ledger()
    for poll in polls:
        ledger = Ledger(contribute(event, to_local) for event in poll)
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


@settings(max_examples=300)
@given(histories())
def test_tasks(history: tuple[list[AnyEvent], list[list[AnyEvent]]]) -> None:
    told, polls = history
    expected = tasks(told)
    found = fold(polls).tasks
    assert found.keys() == expected.keys()
    for task_id, row in expected.items():
        agrees(
            found[task_id],
            row,
            *("chain_id", "task_name", "status", "run", "attempt", "retries"),
            *("error", "reason", "started_at", "finished_at"),
        )


@settings(max_examples=300)
@given(histories())
def test_chains(history: tuple[list[AnyEvent], list[list[AnyEvent]]]) -> None:
    told, polls = history
    ledger, expected = fold(polls), chains(told)
    assert ledger.chains.keys() == expected.keys()
    by_chain = ledger.tasks_by_chain()
    for chain_id, row in expected.items():
        state = ledger.chains[chain_id]
        outcome = chain_outcome(state, by_chain[chain_id].values())
        agrees(state, row, "batch_id", "run", "total_tasks")
        agrees(outcome, row, "status", "completed_tasks", "failed_tasks", "reason")
        agrees(outcome, row, "started_at", "finished_at")
        assert (state.name, state.initiator, state.index) == (
            row["chain_name"],
            row["initiated_by"],
            row["image_index"],
        )
        assert state.described()["options"] == row["options"]
        assert state.described()["image_path"] == row["image_path"]


@settings(max_examples=300)
@given(histories())
def test_batches(history: tuple[list[AnyEvent], list[list[AnyEvent]]]) -> None:
    told, polls = history
    ledger, expected = fold(polls), batches(told)
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


@settings(max_examples=300)
@given(histories())
def test_images(history: tuple[list[AnyEvent], list[list[AnyEvent]]]) -> None:
    told, polls = history
    expected, found = images(told), fold(polls).images
    assert found.keys() == expected.keys()
    for path, row in expected.items():
        agrees(found[path], row, "chain_id", "status", "error", "run", "key")
        assert [box.text for box in found[path].boxes] == row["texts"]


@given(st.lists(events(), min_size=2, max_size=12))
def test_joins_are_commutative_associative_and_idempotent(told: list[AnyEvent]) -> None:
    contributions = [contribute(event, to_local) for event in told]
    for kind, key in (
        ("task", "task_id"),
        ("chain", "chain_id"),
        ("batch", "batch_id"),
        ("image", "image_path"),
    ):
        states = [state for one in contributions if (state := getattr(one, kind)) is not None]
        same = [state for state in states if getattr(state, key) == getattr(states[0], key)]
        for a in same[:4]:
            assert a.join(a) == a
            for b in same[:4]:
                assert a.join(b) == b.join(a)
                for c in same[:4]:
                    assert a.join(b).join(c) == a.join(b.join(c))
