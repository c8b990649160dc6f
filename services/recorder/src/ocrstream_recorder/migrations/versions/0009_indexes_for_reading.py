"""Indexes for what the read API is asked, and how many boxes a result has; NULL in older rows.

Each statement stands by itself, beside all other work, and is left out when it is done already:
interrupted, the revision is run again.
"""

from alembic import op

from ocrstream_recorder.database.new_indexes import NewIndex, make_indexes

revision = "0009"
down_revision = "0008"

_RARE = "status <> 'PENDING' AND status <> 'SUCCESS'"
_FAILED = "reason IS NOT NULL"

_NEW_INDEXES = (
    NewIndex("ix_batch_executions_status_id", "batch_executions", ("status", "id")),
    NewIndex("ix_batch_executions_batch_name_id", "batch_executions", ("batch_name", "id")),
    NewIndex("ix_batch_executions_initiated_by_id", "batch_executions", ("initiated_by", "id")),
    NewIndex("ix_batch_executions_started_at", "batch_executions", ("started_at",)),
    NewIndex(
        "ix_chain_executions_batch_id_status_image_index",
        "chain_executions",
        ("batch_id", "status", "image_index", "id"),
        where=_RARE,
    ),
    NewIndex(
        "ix_chain_executions_batch_id_reason_image_index",
        "chain_executions",
        ("batch_id", "reason", "image_index", "id"),
        where=_FAILED,
    ),
    NewIndex("ix_chain_executions_status_id", "chain_executions", ("status", "id"), where=_RARE),
    NewIndex("ix_chain_executions_reason_id", "chain_executions", ("reason", "id"), where=_FAILED),
    NewIndex(
        "ix_chain_executions_finished_at",
        "chain_executions",
        ("finished_at",),
        where="finished_at IS NOT NULL",
    ),
    NewIndex("ix_task_logs_status_id", "task_logs", ("status", "id"), where=_RARE),
    NewIndex("ix_task_logs_reason_id", "task_logs", ("reason", "id"), where=_FAILED),
    NewIndex("ix_task_logs_retries", "task_logs", ("id",), where="retries > 0"),
    NewIndex("ix_ocr_executions_reason_id", "ocr_executions", ("reason", "id"), where=_FAILED),
)


def upgrade() -> None:
    make_indexes(_NEW_INDEXES)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE ocr_executions ADD COLUMN IF NOT EXISTS text_box_count integer")
