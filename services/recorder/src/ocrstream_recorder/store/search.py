"""Images that may match a search, with all that tells whether they do."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import msgspec

from ocrstream_recorder.store.search_index import BACKLOG, SEGMENT_BITS, SEGMENT_KEYS

TIMEOUT_S = 2
"""How long one statement of a search may take."""

LAG = BACKLOG.format(at_most=10_000).encode()
"""How far the index is behind; rows as `Backlog`."""
# Segment by segment from the newest, each looked at only if those before had too few. `OFFSET 0`
# and a limit that is no parameter keep the planner from any other way. The text is that of the
# boxes as they stand, whatever the keys were made of; a system before may have stored NaN.
_CANDIDATES = f"""
WITH RECURSIVE segments (number) AS (
    SELECT max(ocr_execution_id) >> {SEGMENT_BITS} FROM recorder_search
    WHERE ocr_execution_id < %(before)s
    UNION ALL
    SELECT (
        SELECT max(ocr_execution_id) >> {SEGMENT_BITS} FROM recorder_search
        WHERE ocr_execution_id < s.number << {SEGMENT_BITS}
    )
    FROM segments s WHERE s.number IS NOT NULL
),
found AS MATERIALIZED (
    SELECT f.id FROM segments s CROSS JOIN LATERAL (
        SELECT m.id FROM (
            SELECT ocr_execution_id AS id FROM recorder_search
            WHERE keys @> (SELECT {SEGMENT_KEYS} FROM unnest(%(grams)s::int[]) gram)
            OFFSET 0
        ) m
        WHERE m.id < %(before)s AND m.id >> {SEGMENT_BITS} = s.number
        ORDER BY m.id DESC
    ) f
    LIMIT {{limit}}
)
SELECT o.id, o.image_path, o.public_path, o.chain_id, c.batch_id, c.image_index, c.input_data,
       b.boxes
FROM found f
JOIN ocr_executions o ON o.id = f.id
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
        text, CASE WHEN confidence BETWEEN 0 AND 1 THEN confidence ELSE 0 END, bbox
    ) ORDER BY id)::text AS boxes
    FROM ocr_text_boxes WHERE ocr_execution_id = o.id
) b
LEFT JOIN LATERAL (
    SELECT batch_id, image_index, input_data FROM chain_executions WHERE chain_id = o.chain_id
    ORDER BY run DESC, id DESC LIMIT 1
) c ON true
ORDER BY o.id DESC
"""


class StoredBox(NamedTuple):
    """A text box; `bbox` is JSON as it is stored."""

    text: str
    confidence: float
    bbox: msgspec.Raw


class Candidate(NamedTuple):
    """An image that has all the query's grams, and its boxes in reading order."""

    id: int
    image_path: str
    public_path: str | None
    chain_id: str | None
    batch_id: str | None
    image_index: int | None
    input_data: Any
    boxes: list[StoredBox]

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """From a row; an image whose boxes went meanwhile has none."""
        *told, boxes = row
        return cls._make([*told, [] if boxes is None else _BOXES.decode(boxes)])


_BOXES = msgspec.json.Decoder(list[StoredBox])


def candidates(limit: int) -> bytes:
    """Statement for images with all `grams` and ids less than `before`, the greatest id first.

    `limit` at most, and fewer only if there are no more; rows as `Candidate.of` takes them.
    """
    return _CANDIDATES.format(limit=int(limit)).encode()
