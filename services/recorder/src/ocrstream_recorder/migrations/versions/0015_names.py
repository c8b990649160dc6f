"""Names: reprocessings, the result versions that they keep, and the fingerprints of a chain.

Renaming moves no row and keeps every right that was granted, and all of it is one transaction. A
recorder from before finds none of these names any more: stop all of them first.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

_TABLES = (
    ("recorder_rereads", "recorder_reprocessings"),
    ("recorder_readings", "recorder_result_versions"),
)
_OBJECTS = (
    ("INDEX", "recorder_rereads_pkey", "recorder_reprocessings_pkey"),
    ("INDEX", "ix_recorder_rereads_pending", "ix_recorder_reprocessings_pending"),
    ("INDEX", "recorder_readings_pkey", "recorder_result_versions_pkey"),
    ("INDEX", "uq_recorder_readings_next", "uq_recorder_result_versions_next"),
    ("INDEX", "ix_recorder_readings_request_id", "ix_recorder_result_versions_request_id"),
    ("INDEX", "ix_recorder_readings_batch_id_id", "ix_recorder_result_versions_batch_id_id"),
    ("INDEX", "ix_recorder_readings_image_path_id", "ix_recorder_result_versions_image_path_id"),
    ("SEQUENCE", "recorder_readings_id_seq", "recorder_result_versions_id_seq"),
)


def upgrade() -> None:
    # The table that all use goes first: nothing is locked while its lock is waited for.
    op.execute(
        """
ALTER TABLE chain_executions
    -- squawk-ignore renaming-column
    RENAME COLUMN folded TO fingerprints
""".strip()
    )
    for old, new in _TABLES:
        op.execute(
            f"""
ALTER TABLE {old}
    -- squawk-ignore renaming-table
    RENAME TO {new}
""".strip()
        )
    for kind, old, new in _OBJECTS:
        op.execute(
            f"""
ALTER {kind} {old}
    -- squawk-ignore renaming-object
    RENAME TO {new}
""".strip()
        )
