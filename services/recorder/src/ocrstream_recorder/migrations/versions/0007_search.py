"""What images are searched by, and the queue of those that are to be looked at for it.

A trigger fills the queue, so that whoever writes an image's row is heard: older replicas while they
are replaced, too. Images from before are queued when all can see the trigger, so that none is left
out and nobody waits for it; interrupted, the revision is run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NOW = sa.text("now()")

# With its owner's rights: the system before the recorder may have a database user of its own.
_FUNCTION = """
CREATE OR REPLACE FUNCTION recorder_queue_for_search() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO recorder_search_queue (ocr_execution_id) SELECT id FROM written;
    RETURN NULL;
END
$$
"""
# A trigger that tells of its rows as a table can have one event only.
_TRIGGER = """
CREATE TRIGGER recorder_queue_for_search_{event} AFTER {event} ON ocr_executions
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION recorder_queue_for_search()
"""


def upgrade() -> None:
    op.create_table(
        "recorder_search",
        sa.Column(
            "ocr_execution_id",
            sa.BigInteger,
            sa.ForeignKey("ocr_executions.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("keys", sa.ARRAY(sa.Integer), nullable=False),
        if_not_exists=True,
    )
    # The keys are needed by the index alone: out of the way, and not compressed, which they hardly
    # can be.
    op.execute("ALTER TABLE recorder_search ALTER COLUMN keys SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE recorder_search SET (toast_tuple_target = 128)")
    op.create_index(
        "ix_recorder_search_keys",
        "recorder_search",
        ["keys"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on"},
        if_not_exists=True,
    )
    op.create_table(
        "recorder_search_queue",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("ocr_execution_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        if_not_exists=True,
    )
    op.execute(_FUNCTION)
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER IF EXISTS recorder_queue_for_search_{event} ON ocr_executions")
        op.execute(_TRIGGER.format(event=event))
    with op.get_context().autocommit_block():
        op.execute(
            "INSERT INTO recorder_search_queue (ocr_execution_id)"
            " SELECT id FROM ocr_executions ORDER BY id"
        )
