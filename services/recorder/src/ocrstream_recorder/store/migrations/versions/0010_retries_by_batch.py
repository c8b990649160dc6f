"""A retry is known by its batch and its request: two batches may use the same id for theirs.

The index is made beside all other work; interrupted, the revision is run again.
"""

from alembic import context, op

from ocrstream_recorder.store.catalog import find_table
from ocrstream_recorder.store.takeover import NewIndex

revision = "0010"
down_revision = "0009"

_TABLE = "recorder_retries"
_KEY = NewIndex(
    "uq_recorder_retries_batch_request", _TABLE, ("batch_id", "request_id"), unique=True
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Waiting for its turn, making an index concurrently holds nobody else up.
        op.execute("SET lock_timeout = 0")
        found = None if context.is_offline_mode() else find_table(op.get_bind(), _TABLE)
        for statement in _KEY.statements(found):
            op.execute(statement)
        op.execute("SET lock_timeout = '5s'")
    # The old key goes and the new one is there in one statement, so nobody misses either.
    op.execute(
        f"""
ALTER TABLE {_TABLE}
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT {_TABLE}_pkey,
    ADD CONSTRAINT {_TABLE}_pkey PRIMARY KEY USING INDEX {_KEY.name}
""".strip()
    )
