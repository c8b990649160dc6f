"""A retry is known by its batch and its request: two batches may use the same id for theirs.

The index is made beside all other work; interrupted, the revision is run again.
"""

from alembic import op

from ocrstream_recorder.database.new_indexes import NewIndex, make_indexes

revision = "0010"
down_revision = "0009"

_TABLE = "recorder_retries"
_KEY = NewIndex(
    "uq_recorder_retries_batch_request", _TABLE, ("batch_id", "request_id"), unique=True
)


def upgrade() -> None:
    make_indexes([_KEY])
    # The old key goes and the new one is there in one statement, so nobody misses either.
    op.execute(
        f"""
ALTER TABLE {_TABLE}
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT {_TABLE}_pkey,
    ADD CONSTRAINT {_TABLE}_pkey PRIMARY KEY USING INDEX {_KEY.name}
""".strip()
    )
