"""Chains that are submitted again: which are looked at next, and what event each becomes.

It is done in parts. One transaction for a batch of millions would take minutes, and an outbox that
holds all of them would keep other batches' events waiting.
"""

from typing import LiteralString, NamedTuple

from ocrstream_schemas.fields import REFUSED_SCHEME

# In the order of an index that is there: by their place in the batch, those without last.
INDEXED = """
SELECT c.* FROM chain_executions c
WHERE c.batch_id = %(batch_id)s AND c.run > 0
  AND (c.image_index, c.id) > (%(after_index)s, %(after_id)s)
ORDER BY c.image_index, c.id LIMIT %(limit)s
"""
UNINDEXED = """
SELECT c.* FROM chain_executions c
WHERE c.batch_id = %(batch_id)s AND c.run > 0
  AND c.image_index IS NULL AND c.id > %(after_id)s
ORDER BY c.id LIMIT %(limit)s
"""
LOOKED_AT = """
(SELECT count(*) FROM part), (SELECT max(image_index) FROM part),
(SELECT id FROM part ORDER BY image_index DESC, id DESC LIMIT 1)
"""
"""What `KeysetPosition.after` needs of the rows of `part`."""


class Part(NamedTuple):
    """What was done of a request; `looked_at` counts rows, `submitted` images to be read again."""

    looked_at: int
    submitted: int


class KeysetPosition(NamedTuple):
    """Where the next part begins; of a batch, -1: at its first index, None: past all of them."""

    after_index: int | None
    after_id: int

    def after(
        self, looked_at: int, last_index: int | None, last_id: int | None, limit: int
    ) -> "KeysetPosition | None":
        """The position after a part of `looked_at` rows, `limit` at most; None after the last."""
        if looked_at == limit and last_id is not None:
            return KeysetPosition(last_index, last_id)
        return None if self.after_index is None else KeysetPosition(None, 0)


BATCH_BEGIN = KeysetPosition(-1, 0)


def without_file(image_path: LiteralString) -> LiteralString:
    """SQL of whether nothing is stored of the image, so that no worker can read it."""
    return f"starts_with({image_path}, '{REFUSED_SCHEME}:')"


def event_value(
    *,
    run: LiteralString,
    submitted_at: LiteralString,
    input_data: LiteralString,
    refused: LiteralString = "NULL::jsonb",
) -> LiteralString:
    """SQL of the ImageSubmitted that the row `c` becomes, as bytes."""
    return f"""
    convert_to((jsonb_strip_nulls(jsonb_build_object(
        'type', 'ImageSubmitted',
        'chain_id', c.chain_id, 'batch_id', c.batch_id, 'run', {run},
        'chain_name', c.chain_name, 'initiated_by', c.initiated_by,
        'total_tasks', c.total_tasks, 'submitted_at', {submitted_at}, 'refused', {refused}
    )) || {input_data})::text, 'UTF8')
    """


def event_topic(input_data: LiteralString) -> LiteralString:
    """SQL of the topic that it goes to; needs the parameters `topic` and `lanes`."""
    return f"""
    CASE WHEN {input_data}->'options'->>'lane' = ANY(%(lanes)s)
         THEN %(topic)s || '.' || ({input_data}->'options'->>'lane') ELSE %(topic)s END
    """
