"""The register of dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NOW = sa.text("timezone('utc', now())")
_STATE = """
CASE WHEN dropped THEN 'dropped' WHEN redrives > failed_redrive THEN 'redriven' ELSE 'open' END
"""


def _zero(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    op.create_table(
        "recorder_dead_letters",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("cluster_id", sa.String(255), nullable=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("origin_offset", sa.BigInteger, nullable=False),
        sa.Column("origin_timestamp_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("chain_id", sa.String(255)),
        sa.Column("batch_id", sa.String(255)),
        sa.Column("kept_topic", sa.String(255), nullable=False),
        sa.Column("kept_partition", sa.Integer, nullable=False),
        sa.Column("kept_offset", sa.BigInteger, nullable=False),
        _zero("redrives"),
        _zero("failed_redrive"),
        sa.Column("dropped", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("state", sa.Text, sa.Computed(_STATE, persisted=True)),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
        sa.Column("updated_at", sa.DateTime, nullable=False, server_default=_NOW),
    )
    op.create_index(
        "uq_recorder_dead_letters_origin",
        "recorder_dead_letters",
        ["cluster_id", "topic", "partition", "origin_offset", "origin_timestamp_ms"],
        unique=True,
    )
    op.create_index(
        "ix_recorder_dead_letters_topic_state_id", "recorder_dead_letters", ["topic", "state", "id"]
    )
    op.create_index(
        "ix_recorder_dead_letters_batch_id_id", "recorder_dead_letters", ["batch_id", "id"]
    )
