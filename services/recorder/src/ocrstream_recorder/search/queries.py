"""Candidates of a search: images that have its grams, with the boxes that may match."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import msgspec

from ocrstream_recorder.database.provenance import ORDERED
from ocrstream_recorder.rules.box_order import boxes_in_order
from ocrstream_recorder.search.index import BACKLOG, SEGMENT_BITS, SEGMENT_KEYS

TIMEOUT_S = 2
"""The statement timeout of searches."""

SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""The settings of connections for searches. One plan is good, from row to row by indexes; while the
index has a pending list, the planner would rather read the whole table."""

LAG = BACKLOG.format(at_most=10_000).encode()
"""Statement for how far the index is behind; its row is a `Backlog`."""
_SCANNED_PER_CANDIDATE = 2
_MAX_SCANNED = 256
_SEGMENTS_PER_QUERY = 500

# First the keys of the newest images, which finds frequent text at once; then the index, segment by
# segment from the newest, each only if those before had too few images.
# `OFFSET 0` and literal limits keep the planner from any other plan. The text is that of the stored
# boxes, whatever text the keys were derived from; an earlier system may have stored NaN.
_CANDIDATES = f"""
WITH RECURSIVE looked (down_to) AS MATERIALIZED (
    SELECT greatest(
        0, ((max(ocr_execution_id) >> {SEGMENT_BITS}) - {{segments}} + 1) << {SEGMENT_BITS}
    )
    FROM recorder_search WHERE ocr_execution_id < %(before)s
),
newest AS MATERIALIZED (
    SELECT ocr_execution_id AS id, keys FROM recorder_search
    WHERE ocr_execution_id < %(before)s AND ocr_execution_id >= (SELECT down_to FROM looked)
    ORDER BY ocr_execution_id DESC LIMIT {{scanned}}
),
rest (before) AS MATERIALIZED (SELECT min(id) FROM newest),
segments (number) AS (
    SELECT (
        SELECT max(ocr_execution_id) >> {SEGMENT_BITS} FROM recorder_search
        WHERE ocr_execution_id < r.before AND ocr_execution_id >= (SELECT down_to FROM looked)
    )
    FROM rest r
    UNION ALL
    SELECT (
        SELECT max(ocr_execution_id) >> {SEGMENT_BITS} FROM recorder_search
        WHERE ocr_execution_id < s.number << {SEGMENT_BITS}
        AND ocr_execution_id >= (SELECT down_to FROM looked)
    )
    FROM segments s WHERE s.number IS NOT NULL
),
found AS MATERIALIZED (
    (
        SELECT n.id FROM (
            SELECT s.number, {SEGMENT_KEYS} AS keys
            FROM (SELECT DISTINCT id >> {SEGMENT_BITS} AS number FROM newest) s
            CROSS JOIN unnest(%(grams)s::int[]) gram
            GROUP BY s.number
        ) wanted
        JOIN newest n ON n.id >> {SEGMENT_BITS} = wanted.number AND n.keys @> wanted.keys
        ORDER BY n.id DESC
    )
    UNION ALL
    SELECT f.id FROM segments s CROSS JOIN LATERAL (
        SELECT m.id FROM (
            SELECT ocr_execution_id AS id FROM recorder_search
            WHERE keys @> (SELECT {SEGMENT_KEYS} FROM unnest(%(grams)s::int[]) gram)
            OFFSET 0
        ) m
        WHERE m.id < (SELECT before FROM rest) AND m.id >> {SEGMENT_BITS} = s.number
        ORDER BY m.id DESC LIMIT {{limit}}
    ) f
    LIMIT {{limit}}
)
SELECT l.down_to, i.* FROM looked l LEFT JOIN LATERAL (
    SELECT o.id, o.image_path, o.public_path, o.chain_id, c.batch_id, c.batch_name,
           c.image_index, c.input_data,
           {ORDERED} AS ordered, b.texts, b.confidences, b.bboxes
    FROM found f
    JOIN ocr_executions o ON o.id = f.id
    CROSS JOIN LATERAL (
        SELECT array_agg(text) AS texts, json_agg(confidence)::text AS confidences,
            json_agg(bbox)::text AS bboxes
        FROM (
            SELECT text, bbox,
                CASE WHEN confidence BETWEEN 0 AND 1 THEN confidence ELSE 0 END AS confidence
            FROM ocr_text_boxes WHERE ocr_execution_id = o.id ORDER BY id
        ) r
    ) b
    LEFT JOIN LATERAL (
        SELECT e.batch_id, (
            SELECT batch_name FROM batch_executions WHERE batch_id = e.batch_id
        ) AS batch_name, e.image_index, e.input_data
        FROM chain_executions e WHERE e.chain_id = o.chain_id
        ORDER BY e.run DESC, e.id DESC LIMIT 1
    ) c ON true
) i ON true
ORDER BY i.id DESC
"""


class Candidate(NamedTuple):
    """An image that has the grams of the query, and its boxes in reading order."""

    id: int
    image_path: str
    public_path: str | None
    chain_id: str | None
    batch_id: str | None
    batch_name: str | None
    image_index: int | None
    input_data: Any
    texts: list[str]
    confidences: list[float]
    bboxes: list[msgspec.Raw]
    """JSON as the database stores it."""


class Found(NamedTuple):
    """The result of one statement, the greatest id first."""

    candidates: list[Candidate]
    down_to: int
    """If there are fewer candidates than the limit, none is left with this id or a greater one."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Self:
        """From the statement's rows."""
        return cls([_candidate(row[1:]) for row in rows if row[1] is not None], rows[0][0])


def _candidate(row: Sequence[Any]) -> Candidate:
    """An image whose boxes were deleted meanwhile has none."""
    *fields, ordered, texts, confidences, bboxes = row
    if texts is None:
        return Candidate._make([*fields, [], [], []])
    boxes = list(zip(texts, _CONFIDENCES.decode(confidences), _BBOXES.decode(bboxes), strict=True))
    boxes = boxes_in_order(
        boxes, lambda box: json.loads(bytes(box[2])), lambda box: box[0], ordered=ordered
    )
    return Candidate._make([*fields, *map(list, zip(*boxes, strict=True))])


_CONFIDENCES = msgspec.json.Decoder(list[float])
_BBOXES = msgspec.json.Decoder(list[msgspec.Raw])


def candidates(limit: int) -> bytes:
    """Statement for images with all `grams` and ids less than `before`, `limit` at most.

    It reads a bounded number of segments, so that its time does not grow with the table. `Found.of`
    reads its rows.
    """
    scanned = min(_SCANNED_PER_CANDIDATE * limit, _MAX_SCANNED)
    return _CANDIDATES.format(
        limit=int(limit), scanned=int(scanned), segments=_SEGMENTS_PER_QUERY
    ).encode()
