"""Images are found by the keys of texts in another normalized form: the old keys go, and all images
are queued for new ones.

Interrupted, the revision is run again. A replica from before makes keys of the old kind, by which
some texts are not found.
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("TRUNCATE recorder_search, recorder_search_queue")
    with op.get_context().autocommit_block():
        op.execute(
            "INSERT INTO recorder_search_queue (ocr_execution_id)"
            " SELECT id FROM ocr_executions ORDER BY id"
        )
