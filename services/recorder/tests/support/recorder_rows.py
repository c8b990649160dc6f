"""What stands in the recorder's tables, whole, held against the oracle."""

from typing import Any, LiteralString

import msgspec
import recorder_oracle as oracle
from psycopg import Connection
from psycopg.rows import dict_row
from recorder_oracle import Content, Row

from ocrstream_recorder.reprocessing import retries
from ocrstream_schemas.events import BatchCompleted

TABLES = (
    "ocr_text_boxes, ocr_executions, task_logs, chain_executions, batch_executions,"
    " recorder_outbox, recorder_offsets, recorder_retries, recorder_webhooks, recorder_search,"
    " recorder_search_queue"
)
_NOT_OF_EVENTS = {
    "id",
    "created_at",
    "updated_at",
    "recent_images",
    "recent_at",
    "revision",
    "public_path",
    "chain_execution_id",
    "fingerprints",
}
_JSON = {"input_data", "options", "final_result", "failed_by_reason", "ranks", "boxes"}

_TASKS = """
SELECT t.*, c.chain_id FROM task_logs t LEFT JOIN chain_executions c ON c.id = t.chain_execution_id
"""
# A stub that only commands name has no ranks yet.
_BATCHES = "SELECT *, coalesce(ranks, '{0,0,0,0,0}') AS ranks FROM batch_executions"
_IMAGES = """
SELECT o.*, convert_to(o.provenance::text, 'UTF8') AS provenance, coalesce((
    SELECT json_agg(json_build_array(b.text, b.confidence, b.bbox) ORDER BY b.id)
    FROM ocr_text_boxes b WHERE b.ocr_execution_id = o.id
), '[]') AS boxes FROM ocr_executions o
"""
_COMPLETED = """
SELECT event_id, value FROM recorder_outbox WHERE topic = 'batches.completed' ORDER BY id
"""
_REVISIONS = """
SELECT batch_id, revision, ended, status, total_images, completed_images, failed_images,
       revoked_images, failed_by_reason, batch_name, initiated_by,
       timezone('utc', started_at) AS started_at, timezone('utc', finished_at) AS finished_at
FROM batch_executions
"""


def check_rows(connection: Connection[Any], contents: list[Content]) -> None:
    """Every column of the five tables that follows from the records is what they say."""
    _agree(_rows(connection, _TASKS, "task_id"), oracle.tasks(contents))
    _agree(_rows(connection, "SELECT * FROM chain_executions", "chain_id"), oracle.chains(contents))
    _agree(_rows(connection, _BATCHES, "batch_id"), oracle.batches(contents))
    _agree(_rows(connection, _IMAGES, "image_path"), oracle.images(contents))
    _check_public_paths(connection, contents)


def _check_public_paths(connection: Connection[Any], contents: list[Content]) -> None:
    """Each image has one that it asked for; none goes without one that nobody has."""
    held = dict(connection.execute("SELECT image_path, public_path FROM ocr_executions"))
    allowed, asked = oracle.public_paths(contents), oracle.asked_public_paths(contents)
    for path, public_path in held.items():
        assert public_path in allowed[path]
        assert public_path is not None or asked[path] is None or asked[path] in held.values()


def submit_again(connection: Connection[Any], limit: int = 1000) -> list[int]:
    """Carry out all retries that were asked for; how many images each part submitted."""
    submitted: list[int] = []
    while True:
        with connection.transaction(), connection.cursor() as cursor:
            part = retries.submit_part(cursor, limit)
        if part is None:
            return submitted
        submitted.append(part.submitted)


def check_batches_completed(connection: Connection[Any]) -> None:
    """One BatchCompleted a revision, none left out; the last equals the row in every field."""
    completed: dict[str, list[BatchCompleted]] = {}
    for event_id, value in connection.execute(_COMPLETED):
        event = msgspec.json.decode(value, type=BatchCompleted)
        assert event_id == f"{event.batch_id}:{event.revision}"
        completed.setdefault(event.batch_id, []).append(event)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_REVISIONS).fetchall()
    for row in rows:
        events = completed.pop(row["batch_id"], [])
        assert [event.revision for event in events] == list(range(1, row["revision"] + 1))
        ended = row.pop("ended")
        assert events or not ended
        if ended:
            assert row == {name: getattr(events[-1], name) for name in row}
        elif events:
            assert events[-1].status not in {"SUCCESS", "FAILURE", "REVOKED"}
    assert not completed


def _rows(connection: Connection[Any], query: LiteralString, key: str) -> dict[str, Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    assert len({row[key] for row in rows}) == len(rows)
    return {row[key]: {name: _value(name, value) for name, value in row.items()} for row in rows}


def _value(name: str, value: Any) -> Any:
    if name == "boxes":
        # The server writes 0.0 as 0 when it makes JSON of a number.
        value = [[text, float(confidence), bbox] for text, confidence, bbox in value]
    return oracle.json(value) if name in _JSON else value


def _agree(found: dict[str, Row], expected: dict[str, Row]) -> None:
    """Every column is either compared or known not to follow from the events."""
    assert found.keys() == expected.keys(), (found.keys(), expected.keys())
    for key, row in found.items():
        derived = {name: value for name, value in row.items() if name not in _NOT_OF_EVENTS}
        assert derived.keys() == expected[key].keys(), derived.keys() ^ expected[key].keys()
        wrong = {
            name: f"{derived[name]!r}, not {value!r}"
            for name, value in expected[key].items()
            if derived[name] != value
        }
        assert not wrong, (key, wrong)
