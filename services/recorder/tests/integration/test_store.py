"""What a poll does to the real database, case by case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from recorder_rows import TABLES, submit_again
from write_poll import CLUSTER_ID, write_poll

from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.offsets import Span
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import OffsetsMovedError
from ocrstream_recorder.recording.poll_transaction import Written
from ocrstream_recorder.rules.poll_changes import PollChanges
from ocrstream_recorder.rules.row_changes import changes_of
from ocrstream_schemas.events import (
    AnyEvent,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    Refusal,
    ResultWarning,
    TextBox,
)

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")


def write(connection: Connection[Any], events: list[AnyEvent]) -> Written:
    changes = PollChanges(changes_of(event, ZONE.to_local) for event in events)
    return write_poll(connection, changes, ZONE)


def submitted(index: int) -> ImageSubmitted:
    return ImageSubmitted(
        image_path=f"file:///{index}.png", chain_id=f"chain-{index}", batch_id="b", index=index
    )


def failed(index: int, reason: Reason = Reason.NOT_FOUND, run: int = 1) -> OcrFailed:

    return OcrFailed(
        image_path=f"file:///{index}.png",
        chain_id=f"chain-{index}",
        task_id=f"task-{index}-{run}",
        batch_id="b",
        index=index,
        run=run,
        submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
        finished_at=datetime(2026, 5, 2, tzinfo=UTC),
        reason=reason,
        error="it is gone",
        options={"lane": "urgent"} if index == 2 else None,
    )


def test_a_poll_is_written_once(connection: Connection[Any]) -> None:
    spans = {("images.submitted", 0): Span(5, 7)}
    with connection.transaction(), connection.cursor() as cursor:
        assert offsets.next_offsets(cursor, CLUSTER_ID, {("images.submitted", 0): 5}) == {
            ("images.submitted", 0): 5
        }
    changes = PollChanges([changes_of(submitted(0), ZONE.to_local)])
    write_poll(connection, changes, ZONE, spans)
    with pytest.raises(OffsetsMovedError):
        write_poll(connection, PollChanges([changes_of(submitted(1), ZONE.to_local)]), ZONE, spans)
    assert connection.execute("SELECT chain_id FROM chain_executions").fetchall() == [("chain-0",)]
    assert connection.execute("SELECT next_offset FROM recorder_offsets").fetchall() == [(7,)]


def test_a_retry_submits_failed_images_again_and_only_once(connection: Connection[Any]) -> None:

    asked_at = datetime(2026, 5, 3, tzinfo=UTC)
    write(connection, [BatchSubmitted(batch_id="b", total_images=3, submitted_at=asked_at)])
    write(connection, [submitted(0), failed(1), failed(2), failed(0, Reason.NO_TEXT)])
    request = BatchRetryRequested(batch_id="b", request_id="r", requested_at=asked_at)
    assert write(connection, [request, request]).retries == 1
    assert write(connection, [request]).retries == 0
    assert submit_again(connection, limit=1) == [0, 1, 1, 0, 0]
    sent = connection.execute(
        "SELECT topic, key, value FROM recorder_outbox WHERE topic <> 'batches.completed'"
        " ORDER BY id"
    ).fetchall()
    events = [msgspec.json.decode(value, type=ImageSubmitted) for _, _, value in sent]
    assert [(topic, key) for topic, key, _ in sent] == [
        ("images.submitted", "chain-1"),
        ("images.submitted.urgent", "chain-2"),
    ]
    assert {(event.run, event.submitted_at) for event in events} == {(2, asked_at)}
    assert events[0].image_path == "file:///1.png"
    write(connection, list(events))
    row = connection.execute(
        "SELECT status, failed_images, run, revision FROM batch_executions"
    ).fetchone()
    assert row == ("RUNNING", 1, 2, 2)


def test_a_retry_of_an_image_without_a_file_fails_again_for_the_same_reason(
    connection: Connection[Any],
) -> None:
    moment = datetime(2026, 5, 3, tzinfo=UTC)
    refusal = Refusal(reason=Reason.UNDECODABLE, error="no PDF")
    fields = {"submitted_at": moment, "refused": refusal}
    stored = msgspec.structs.replace(submitted(0), **fields)
    without_file = msgspec.structs.replace(submitted(1), image_path="refused:///b/1", **fields)
    write(connection, [BatchSubmitted(batch_id="b", total_images=2, submitted_at=moment)])
    write(connection, [stored, without_file])
    write(connection, [BatchRetryRequested(batch_id="b", request_id="r", requested_at=moment)])
    submit_again(connection)
    sent = connection.execute(
        "SELECT value FROM recorder_outbox WHERE topic = 'images.submitted' ORDER BY id"
    ).fetchall()
    events = [msgspec.json.decode(value, type=ImageSubmitted) for (value,) in sent]
    assert [(event.run, event.image_path, event.refused) for event in events] == [
        (2, "file:///0.png", None),
        (2, "refused:///b/1", refusal),
    ]
    write(connection, list(events))
    rows = connection.execute(
        "SELECT chain_id, run, status, reason, error_message FROM chain_executions ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("chain-0", 2, "PENDING", None, None),
        ("chain-1", 2, "FAILURE", "undecodable", "no PDF"),
    ]


def test_what_an_earlier_retry_left_out_is_read_again_above_a_later_cancel(
    connection: Connection[Any],
) -> None:
    moment = datetime(2026, 5, 3, tzinfo=UTC)
    write(connection, [BatchSubmitted(batch_id="b", total_images=2, submitted_at=moment)])
    write(connection, [failed(0, Reason.NO_TEXT), failed(1, run=2)])
    write(connection, [BatchRevoked(batch_id="b", run=2, revoked_at=moment)])
    asked = BatchRetryRequested(
        batch_id="b", request_id="r", requested_at=moment, include_no_text=True
    )
    write(connection, [asked])
    submit_again(connection, limit=10)
    sent = connection.execute(
        "SELECT value FROM recorder_outbox WHERE topic = 'images.submitted' ORDER BY id"
    ).fetchall()
    assert [msgspec.json.decode(value, type=ImageSubmitted).run for (value,) in sent] == [3, 3]


def ended_batch(connection: Connection[Any]) -> None:
    moment = datetime(2026, 5, 3, tzinfo=UTC)
    write(connection, [BatchSubmitted(batch_id="b", total_images=1, submitted_at=moment)])
    write(connection, [failed(0)])
    assert completed(connection) == 1


def completed(connection: Connection[Any]) -> int:
    found = connection.execute(
        "SELECT count(*) FROM recorder_outbox WHERE topic = 'batches.completed'"
    ).fetchone()
    return found[0] if found else 0


def test_what_nobody_sees_tells_nobody(connection: Connection[Any]) -> None:
    ended_batch(connection)
    hint = msgspec.structs.replace(submitted(0), batch_total=1)
    assert write(connection, [hint]).rows["batches"].written == 1
    assert completed(connection) == 1


def test_a_request_to_retry_tells_nobody_but_counts_after_all_that_is_known(
    connection: Connection[Any],
) -> None:
    ended_batch(connection)
    behind = datetime(2026, 4, 1, tzinfo=UTC)
    request = BatchRetryRequested(batch_id="b", request_id="r", requested_at=behind)
    late = BatchRetryRequested(
        batch_id="b", request_id="s", requested_at=behind + timedelta(days=99)
    )
    assert write(connection, [request, late]).retries == 2
    submit_again(connection)
    assert completed(connection) == 1
    sent = connection.execute(
        "SELECT value FROM recorder_outbox WHERE topic <> 'batches.completed' ORDER BY id"
    )
    events = [msgspec.json.decode(value, type=ImageSubmitted) for (value,) in sent]
    assert [event.submitted_at for event in events] == [
        datetime(2026, 5, 3, tzinfo=UTC),
        late.requested_at,
    ]


def test_records_in_the_outbox_are_never_taken_for_each_other(connection: Connection[Any]) -> None:
    moment = datetime(2026, 5, 3, tzinfo=UTC)
    chains = [
        msgspec.structs.replace(failed(number), chain_id=chain_id, batch_id=batch_id)
        for number, (batch_id, chain_id) in enumerate([("b", "1"), ("c", "y:z"), ("d", "z")])
    ]
    requests = [
        BatchRetryRequested(batch_id=batch_id, request_id=request_id, requested_at=moment)
        for batch_id, request_id in [("b", "b"), ("c", "x"), ("d", "x:y")]
    ]
    announced = BatchSubmitted(batch_id="b", total_images=1, submitted_at=moment)
    assert write(connection, [announced, *chains, *requests]).retries == 3
    assert sum(submit_again(connection)) == 3
    assert completed(connection) == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_batches_may_use_the_same_id_for_their_requests(
    connection: Connection[Any], at_once: bool
) -> None:
    moment = datetime(2026, 5, 3, tzinfo=UTC)
    chains = [
        msgspec.structs.replace(failed(number), chain_id=batch_id, batch_id=batch_id)
        for number, batch_id in enumerate("bcd")
    ]
    write(connection, [*chains])
    requests = [
        BatchRetryRequested(batch_id=batch_id, request_id="again", requested_at=moment)
        for batch_id in "bcd"
    ]
    polls = [requests] if at_once else [[one] for one in requests]
    assert sum(write(connection, list(poll)).retries for poll in polls) == 3
    assert sum(submit_again(connection, limit=1)) == 3
    assert write(connection, list(requests)).retries == 0
    keys = connection.execute(
        "SELECT key FROM recorder_outbox WHERE topic <> 'batches.completed' ORDER BY key"
    ).fetchall()
    assert keys == [("b",), ("c",), ("d",)]


def read(run: int = 1, **by: Any) -> OcrSucceeded:
    return OcrSucceeded(
        image_path="file:///0.png",
        chain_id="chain-0",
        task_id=f"task-0-{run}",
        run=run,
        submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
        boxes=(TextBox(text="t", confidence=0.5, bbox=((0, 0), (9, 0), (9, 4), (0, 4))),),
        provenance=Provenance(engine="e", **by) if by else None,
    )


def test_a_result_without_provenance_leaves_none_of_the_one_before(
    connection: Connection[Any],
) -> None:
    write(connection, [read(width=640)])
    told = "SELECT provenance::text FROM ocr_executions"
    assert connection.execute(told).fetchall() == [('{"engine":"e","width":640,"attempt":1}',)]
    write(connection, [read(run=2)])
    assert connection.execute(told).fetchall() == [(None,)]


@pytest.mark.parametrize("width", range(8))
def test_a_row_of_an_older_recorder_is_completed_when_its_record_is_folded_again(
    connection: Connection[Any], width: int
) -> None:
    event = read(width=width)
    write(connection, [msgspec.structs.replace(event, provenance=None)])
    write(connection, [event])
    told = "SELECT provenance->>'width' FROM ocr_executions"
    assert connection.execute(told).fetchall() == [(str(width),)]
    write(connection, [msgspec.structs.replace(event, provenance=None)])
    assert connection.execute(told).fetchall() == [(str(width),)]


def test_warnings_are_counted_of_results_that_are_written(connection: Connection[Any]) -> None:
    codes = ("small_text", "low_confidence", "small_text")
    event = read(warnings=tuple(ResultWarning(code=code, detail="") for code in codes))
    assert write(connection, [event, event]).warnings == {"small_text": 1, "low_confidence": 1}
    assert write(connection, [event]).warnings == {}


# What each result asks for, by image and run, in the order in which they come.
ASKED = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3)),
    st.sampled_from(["/p/1", "/p/2"]),
    min_size=2,
).flatmap(lambda asked: st.permutations(list(asked.items())))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED, ends=st.sets(st.integers(1, 8)))
@example([(("a", 1), "/p/1"), (("a", 2), "/p/2"), (("b", 1), "/p/2")], {1})
def test_a_free_public_path_is_granted_however_the_polls_are_split(
    connection: Connection[Any],
    asked: list[tuple[tuple[str, int], str]],
    ends: set[int],
) -> None:
    polls: list[list[AnyEvent]] = [[]]
    for place, ((image, run), public_path) in enumerate(asked):
        event = OcrSucceeded(
            chain_id=f"chain-{image}",
            task_id=f"task-{image}-{run}",
            image_path=image,
            run=run,
            public_path=public_path,
            submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
            boxes=(),
        )
        if place in ends:
            polls.append([])
        polls[-1].append(event)
    connection.execute(f"TRUNCATE {TABLES}")
    for events in polls:
        write(connection, events)
    held = dict(connection.execute("SELECT image_path, public_path FROM ocr_executions"))
    # At last each image asks for what its greatest run does.
    at_last = {image: path for (image, _), path in sorted(asked)}
    assert held.keys() == at_last.keys()
    for image, path in held.items():
        assert path is not None or at_last[image] in held.values()


def test_an_image_keeps_the_public_path_that_it_holds(connection: Connection[Any]) -> None:
    first, second = (msgspec.structs.replace(read(run), public_path=f"/p/{run}") for run in (1, 2))
    assert write(connection, [first]).refused_public_paths == 0
    assert write(connection, [second]).refused_public_paths == 1
    held = connection.execute("SELECT run, public_path FROM ocr_executions").fetchall()
    assert held == [(2, "/p/1")]


def test_the_first_holder_of_a_public_path_keeps_it(connection: Connection[Any]) -> None:

    def read(number: int) -> OcrSucceeded:
        return OcrSucceeded(
            chain_id=f"chain-{number}",
            task_id=f"task-{number}",
            image_path=f"file:///{number}.png",
            public_path="https://public/a.png",
            submitted_at=datetime(2026, 5, 1, tzinfo=UTC),
            boxes=(
                TextBox(
                    text="tab\tline\nback\\slash ünï",
                    confidence=1.0,
                    bbox=((0.0, 0.0), (1.5, 0.0), (1.5, 1.0), (0.0, 1.0)),
                ),
            ),
        )

    assert write(connection, [read(1)]).refused_public_paths == 0
    assert write(connection, [read(2), read(1)]).refused_public_paths == 1
    held = connection.execute(
        "SELECT image_path, public_path FROM ocr_executions ORDER BY image_path"
    ).fetchall()
    assert held == [("file:///1.png", "https://public/a.png"), ("file:///2.png", None)]
    box = connection.execute("SELECT text, bbox FROM ocr_text_boxes LIMIT 1").fetchone()
    assert box == ("tab\tline\nback\\slash ünï", [[0.0, 0.0], [1.5, 0.0], [1.5, 1.0], [0.0, 1.0]])
