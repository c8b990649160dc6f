"""What read an image, in its row and beside kept results; all images are queued for searches.

Rows from before tell of no order, so their boxes are put in reading order whenever they are read;
searches across boxes need keys of that order. Each statement stands by itself, beside all other
work, and is left out when it is done already: interrupted, the revision is run again.
"""

from alembic import op

from ocrstream_recorder.database.new_indexes import NewIndex, make_indexes

revision = "0014"
down_revision = "0013"

_WARNED = "(provenance -> 'warnings') IS NOT NULL"

_NEW_INDEXES = (
    NewIndex(
        "ix_ocr_executions_engine_id",
        "ocr_executions",
        ("coalesce(provenance ->> 'engine', 'unknown')", "id"),
    ),
    NewIndex("ix_ocr_executions_warned_id", "ocr_executions", ("id",), where=_WARNED),
    NewIndex("ix_ocr_executions_warned_chain_id", "ocr_executions", ("chain_id",), where=_WARNED),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Nullable columns: no table is rewritten.
        op.execute("ALTER TABLE ocr_executions ADD COLUMN IF NOT EXISTS provenance json")
        op.execute("ALTER TABLE recorder_readings ADD COLUMN IF NOT EXISTS provenance json")
    make_indexes(_NEW_INDEXES)
    op.execute("TRUNCATE recorder_search_queue")
    with op.get_context().autocommit_block():
        op.execute(
            "INSERT INTO recorder_search_queue (ocr_execution_id)"
            " SELECT id FROM ocr_executions ORDER BY id"
        )
