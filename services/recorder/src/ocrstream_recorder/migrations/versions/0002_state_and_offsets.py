"""What the state rules need in each row, and the recorder's own tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0002"
down_revision = "0001"

_NOW = sa.text("timezone('utc', now())")


def _count(name: str, default: int = 0) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def upgrade() -> None:
    _add(
        "batch_executions",
        _flag("total_known"),
        _count("seen_images"),
        _count("revoked_images"),
        _count("revision"),
        _flag("ended"),
        _count("run"),
        _count("revoked_run"),
        sa.Column("announced_total", sa.Integer),
        sa.Column("hinted_total", sa.Integer),
        _count("begun_images"),
        _count("revoked_chains"),
        _count("unindexed_images"),
        sa.Column("failed_by_reason", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("last_event_at", sa.DateTime),
        sa.Column("ranks", ARRAY(sa.BigInteger)),
    )
    _add(
        "chain_executions",
        _count("run"),
        sa.Column("image_index", sa.Integer),
        sa.Column("reason", sa.String(32)),
        sa.Column("ranks", ARRAY(sa.BigInteger)),
    )
    _add(
        "task_logs",
        _count("run"),
        _count("attempt", 1),
        sa.Column("reason", sa.String(32)),
        sa.Column("worker", sa.String(255)),
    )
    _add(
        "ocr_executions",
        _count("run"),
        sa.Column("submitted_at", sa.DateTime),
        sa.Column("reason", sa.String(32)),
        sa.Column("value_digest", sa.LargeBinary),
    )
    op.create_table(
        "recorder_offsets",
        sa.Column("cluster_id", sa.String(255), primary_key=True),
        sa.Column("topic", sa.String(255), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recorder_outbox",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("event_id", sa.String(600), nullable=False, unique=True),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
    )
    op.create_table(
        "recorder_retries",
        sa.Column("request_id", sa.String(255), primary_key=True),
        sa.Column("batch_id", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
    )
