"""Indexes of batches whose deadline is to pass, and of retries that are to be carried out.

They are made beside all other work, and left out if they are there: interrupted, the revision is
run again.
"""

from alembic import context, op

from ocrstream_recorder.store.catalog import find_table
from ocrstream_recorder.store.takeover import NewIndex

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
    with op.get_context().autocommit_block():
        # Waiting for its turn, making an index concurrently holds nobody else up.
        op.execute("SET lock_timeout = 0")
        for index in _NEW_INDEXES:
            found = None if context.is_offline_mode() else find_table(op.get_bind(), index.table)
            for statement in index.statements(found):
                op.execute(statement)
        op.execute("SET lock_timeout = '5s'")
