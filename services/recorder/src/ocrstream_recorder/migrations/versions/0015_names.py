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
_INDEXES = (
    ("recorder_rereads_pkey", "recorder_reprocessings_pkey"),
    ("ix_recorder_rereads_pending", "ix_recorder_reprocessings_pending"),
    ("recorder_readings_pkey", "recorder_result_versions_pkey"),
    ("uq_recorder_readings_next", "uq_recorder_result_versions_next"),
    ("ix_recorder_readings_request_id", "ix_recorder_result_versions_request_id"),
    ("ix_recorder_readings_batch_id_id", "ix_recorder_result_versions_batch_id_id"),
    ("ix_recorder_readings_image_path_id", "ix_recorder_result_versions_image_path_id"),
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
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    op.execute("ALTER SEQUENCE recorder_readings_id_seq RENAME TO recorder_result_versions_id_seq")
