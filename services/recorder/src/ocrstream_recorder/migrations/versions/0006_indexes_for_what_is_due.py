"""Indexes of batches whose deadline is to pass, and of retries that are to be carried out.

They are made beside all other work, and left out if they are there: interrupted, the revision is
run again.
"""

from ocrstream_recorder.database.new_indexes import NewIndex, make_indexes

revision = "0006"
down_revision = "0005"

_NEW_INDEXES = (
    NewIndex(
        "ix_batch_executions_cancel_due_at",
        "batch_executions",
        ("cancel_due_at",),
        where="cancel_due_at IS NOT NULL",
    ),
    NewIndex("ix_recorder_retries_pending", "recorder_retries", ("created_at",), where="pending"),
)


def upgrade() -> None:
    make_indexes(_NEW_INDEXES)
