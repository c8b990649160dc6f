"""Reprocessings: results that are there are asked to be made anew, and kept beside the new ones.

What is kept, what is sent and how far it is are written in one transaction, and nothing is sent
that is not kept: so a result is asked for once, however often it is tried or asked again.
"""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple, cast

from psycopg import Cursor

from ocrstream_recorder.database.provenance import ENGINE, READER, VERSION, WARNINGS
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.reprocessing.conditions import condition_sql
from ocrstream_recorder.reprocessing.resubmission import (
    BATCH_BEGIN,
    INDEXED,
    LOOKED_AT,
    UNINDEXED,
    KeysetPosition,
    Part,
    event_topic,
    event_value,
    without_file,
)
from ocrstream_recorder.reprocessing.rules import Condition, parse_condition
from ocrstream_schemas.batch_options import DEFAULT_LANE, LANE
from ocrstream_schemas.fields import PATH_MAX_LENGTH
from ocrstream_schemas.topics import IMAGES_SUBMITTED, LANES

_WHOLE_BATCH = """
SELECT c.* FROM chain_executions c WHERE c.batch_id = %(batch_id)s AND c.run > 0
"""
_EVERYTHING = "SELECT o.id, NULL::int AS image_index FROM ocr_executions o"
_SOME_OF_EVERYTHING = f"{_EVERYTHING} WHERE o.id > %(after_id)s ORDER BY o.id LIMIT %(limit)s"

# An image is read again in the chain whose result it is. A chain from before the recorder cannot
# be gone on with; its image becomes one of its own.
_SAME = "c.chain_id = o.chain_id AND c.run > 0 AND c.input_data->>'image_path' = o.image_path"
_OF_BATCH = f"part p JOIN chain_executions c ON c.id = p.id JOIN ocr_executions o ON {_SAME}"
_OF_ALL = f"part p JOIN ocr_executions o ON o.id = p.id LEFT JOIN chain_executions c ON {_SAME}"
_OWN_CHAIN_ID = """
encode(sha256(convert_to(
    jsonb_build_array('reprocess', o.image_path, o.chain_id, o.run)::text, 'UTF8')), 'hex')
"""

# The fields of a condition by their names, and what the event needs. A run is above those that
# were cancelled, and above one that began before the request: its deadline is not this one's. The
# time is past that of the result, whatever clock it came from, so that the new one holds the path.
_CHOSEN = f"""
SELECT m.* FROM (
    SELECT o.id AS image_id, o.run, o.status, o.reason, t.boxes, t.confidence, t.min_confidence,
           extract(epoch FROM %(requested_at)s - coalesce(
               timezone(%(zone)s, o.submitted_at), timezone('utc', o.created_at))) AS age,
           coalesce(c.input_data->'options'->>'lane', '{DEFAULT_LANE}') AS lane,
           {ENGINE} AS engine, {VERSION} AS version, {READER} AS reader, {WARNINGS} AS warning,
           coalesce(c.chain_id, {_OWN_CHAIN_ID}) AS chain_id, coalesce(c.run, 0) AS known_run,
           c.batch_id, c.image_index, c.chain_name, c.initiated_by, c.total_tasks,
           coalesce(
               c.input_data::jsonb, jsonb_build_object('image_path', o.image_path)) AS input_data,
           greatest(
               coalesce(c.run, 0), b.revoked_run,
               b.run - CASE WHEN b.run_began_at < %(requested_local)s THEN 0 ELSE 1 END
           ) + 1 AS next_run,
           greatest(
               %(requested_at)s, timezone(%(zone)s, o.submitted_at) + interval '1 microsecond'
           ) AS next_submitted_at
    FROM {{pairs}}
    LEFT JOIN batch_executions b ON b.batch_id = c.batch_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS boxes, avg(x.confidence) AS confidence,
               min(x.confidence) AS min_confidence
        FROM ocr_text_boxes x WHERE x.ocr_execution_id = o.id
    ) t
    WHERE CASE WHEN c.id IS NULL THEN length(o.image_path) BETWEEN 1 AND {PATH_MAX_LENGTH}
               ELSE c.status IN ('SUCCESS', 'FAILURE', 'REVOKED') END
      AND NOT {without_file("o.image_path")}
) m
WHERE {{condition}} AND NOT EXISTS (
    SELECT FROM recorder_result_versions k
    WHERE k.next_chain_id = m.chain_id AND k.next_run > m.known_run
)
"""
_COUNT = "WITH part AS ({part}) SELECT count(*), coalesce(sum(boxes), 0)::bigint FROM ({chosen}) n"

_NEW_DATA = """
c.input_data || CASE WHEN %(lane)s::text IS NULL THEN '{}'::jsonb ELSE jsonb_build_object(
    'options', coalesce(c.input_data->'options', '{}') || jsonb_build_object(
        %(lane_option)s::text, %(lane)s::text)) END
"""
_SUBMITTED_AT = """to_char(timezone('utc', c.next_submitted_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_VALUE = event_value(run="c.next_run", submitted_at=_SUBMITTED_AT, input_data="c.new_data")
_SEND = f"""
WITH part AS MATERIALIZED ({{part}}),
chosen AS MATERIALIZED (
    SELECT c.*, {_NEW_DATA} AS new_data FROM ({{chosen}}) c
),
kept AS (
    INSERT INTO recorder_result_versions (
        request_id, batch_id, image_index, image_path, next_chain_id, next_run,
        chain_id, run, status, reason, error, submitted_at, provenance, boxes)
    SELECT %(request_id)s, c.batch_id, c.image_index, o.image_path, c.chain_id, c.next_run,
           o.chain_id, o.run, o.status, o.reason, o.error, o.submitted_at, o.provenance,
           coalesce((
               SELECT json_agg(json_build_object(
                   'text', x.text, 'confidence', x.confidence, 'bbox', x.bbox) ORDER BY x.id)
               FROM ocr_text_boxes x WHERE x.ocr_execution_id = o.id), '[]')
    FROM chosen c JOIN ocr_executions o ON o.id = c.image_id
    ORDER BY c.image_index, o.id
    ON CONFLICT (next_chain_id, next_run) DO NOTHING
    RETURNING next_chain_id, json_array_length(boxes) AS boxes
),
submitted AS (
    INSERT INTO recorder_outbox (event_id, topic, key, value)
    SELECT encode(sha256(convert_to(
               jsonb_build_array('reprocess', %(request_id)s::text, c.chain_id)::text, 'UTF8')),
               'hex'),
           {event_topic("c.new_data")}, c.chain_id, {_VALUE}
    FROM chosen c JOIN kept ON kept.next_chain_id = c.chain_id
    ORDER BY c.image_index, c.image_id
)
SELECT (SELECT count(*) FROM kept), (SELECT coalesce(sum(boxes), 0) FROM kept), {LOOKED_AT}
"""

_REQUEST = """
INSERT INTO recorder_reprocessings
    (request_id, batch_id, condition, lane, pending, requested_at, after_index, after_id)
VALUES (%(request_id)s, %(batch_id)s, %(condition)s, %(lane)s, true, now(), %(after_index)s, 0)
ON CONFLICT (request_id) DO NOTHING
"""
_OLDEST = """
SELECT request_id, batch_id, condition, lane, requested_at, after_index, after_id
FROM recorder_reprocessings WHERE pending
ORDER BY created_at LIMIT 1
FOR UPDATE SKIP LOCKED
"""
_ADVANCE = """
UPDATE recorder_reprocessings
SET pending = %s, after_index = %s, after_id = %s, images = images + %s, boxes = boxes + %s
WHERE request_id = %s
"""

_Told = tuple[int, int, int, int | None, int | None]


class Statement(NamedTuple):
    """A query in the driver's own style."""

    sql: str
    parameters: dict[str, Any]


def count_statement(
    batch_id: str | None, condition: Condition | None, now: datetime, zone: DatabaseZone
) -> Statement:
    """Counts images, and their boxes, that a reprocessing asked for at `now` would send now.

    `batch_id` None: of all images.
    """
    parameters = _parameters(batch_id, now, zone)
    part = _EVERYTHING if batch_id is None else _WHOLE_BATCH
    return Statement(
        _COUNT.format(part=part, chosen=_chosen(batch_id, condition, parameters)), parameters
    )


def request_statement(
    request_id: str, batch_id: str | None, condition: str | None, lane: str | None
) -> Statement:
    """Notes a reprocessing; no row is written if its id was used before."""
    return Statement(
        _REQUEST,
        {
            "request_id": request_id,
            "batch_id": batch_id,
            "condition": condition,
            "lane": lane,
            "after_index": None if batch_id is None else BATCH_BEGIN.after_index,
        },
    )


def submit_part(cursor: Cursor[Any], limit: int, zone: DatabaseZone) -> Part | None:
    """Keep and send the next part of the oldest reprocessing; None if there is nothing to do.

    It looks at `limit` rows at most. Belongs into a transaction of its own.
    """
    found = cursor.execute(_OLDEST).fetchone()
    if found is None:
        return None
    request_id, batch_id, condition, lane, requested_at, *after = found
    position = KeysetPosition(*after)
    parameters = _parameters(batch_id, requested_at, zone) | {
        **position._asdict(),
        "request_id": request_id,
        "limit": limit,
        "lane": lane,
        "lane_option": LANE,
        "topic": IMAGES_SUBMITTED,
        "lanes": list(LANES),
    }
    parsed = None if condition is None else parse_condition(condition)
    if batch_id is None:
        part = _SOME_OF_EVERYTHING
    else:
        part = UNINDEXED if position.after_index is None else INDEXED
    sql = _SEND.replace("{part}", part).replace("{chosen}", _chosen(batch_id, parsed, parameters))
    told = cursor.execute(cast("LiteralString", sql), parameters).fetchone()
    images, boxes, looked_at, last_index, last_id = cast("_Told", told)
    following = position.after(looked_at, last_index, last_id, limit)
    cursor.execute(
        _ADVANCE, (following is not None, *(following or (None, 0)), images, boxes, request_id)
    )
    return Part(looked_at, images)


def _chosen(batch_id: str | None, condition: Condition | None, parameters: dict[str, Any]) -> str:
    pairs = _OF_ALL if batch_id is None else _OF_BATCH
    return _CHOSEN.format(pairs=pairs, condition=condition_sql(condition, parameters))


def _parameters(batch_id: str | None, requested_at: datetime, zone: DatabaseZone) -> dict[str, Any]:
    return {
        "batch_id": batch_id,
        "requested_at": requested_at,
        "requested_local": zone.to_local(requested_at),
        "zone": zone.name,
    }
