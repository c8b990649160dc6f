"""Deadlines of batches, retries that are carried out in parts, deliveries to webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NOW = sa.text("now()")


def upgrade() -> None:
    # Constant defaults and nullable columns: no table is rewritten.
    op.add_column("batch_executions", sa.Column("run_began_at", sa.DateTime))
    op.add_column("batch_executions", sa.Column("cancel_due_at", sa.DateTime(timezone=True)))
    op.add_column(
        "batch_executions",
        sa.Column("deadline_run", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    # Rows that are there already were carried out with the request.
    op.add_column(
        "recorder_retries",
        sa.Column("pending", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    for column in (
        sa.Column("requested_at", sa.DateTime(timezone=True)),
        sa.Column("include_no_text", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cancelled_run", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("after_index", sa.Integer),
        sa.Column("after_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("recorder_retries", column)
    op.create_table(
        "recorder_webhooks",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("batch_id", sa.String(255), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=_NOW),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("batch_id", "revision"),
    )
    op.create_index(
        "ix_recorder_webhooks_next_attempt_at",
        "recorder_webhooks",
        ["next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
