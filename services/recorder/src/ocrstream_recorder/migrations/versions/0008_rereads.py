"""Rereads, and the results that they have asked to be made anew."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_NOW = sa.text("timezone('utc', now())")
_ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "recorder_rereads",
        sa.Column("request_id", sa.String(255), primary_key=True),
        sa.Column("batch_id", sa.String(255)),
        sa.Column("condition", sa.Text),
        sa.Column("lane", sa.String(255)),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
        sa.Column("pending", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("after_index", sa.Integer),
        sa.Column("after_id", sa.BigInteger, nullable=False, server_default=_ZERO),
        sa.Column("images", sa.BigInteger, nullable=False, server_default=_ZERO),
        sa.Column("boxes", sa.BigInteger, nullable=False, server_default=_ZERO),
    )
    op.create_index(
        "ix_recorder_rereads_pending",
        "recorder_rereads",
        ["created_at"],
        postgresql_where=sa.text("pending"),
    )
    op.create_table(
        "recorder_readings",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("request_id", sa.String(255), nullable=False),
        sa.Column("batch_id", sa.String(255)),
        sa.Column("image_index", sa.Integer),
        sa.Column("image_path", sa.String(255), nullable=False),
        sa.Column("next_chain_id", sa.String(255), nullable=False),
        sa.Column("next_run", sa.Integer, nullable=False),
        # Rows of a database that was taken over may hold longer ones.
        sa.Column("chain_id", sa.Text),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("reason", sa.String(32)),
        sa.Column("error", sa.Text),
        sa.Column("submitted_at", sa.DateTime),
        sa.Column("boxes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
    )
    op.create_index(
        "uq_recorder_readings_next",
        "recorder_readings",
        ["next_chain_id", "next_run"],
        unique=True,
    )
    for name, columns in (
        ("ix_recorder_readings_request_id", ["request_id"]),
        ("ix_recorder_readings_batch_id_id", ["batch_id", "id"]),
        ("ix_recorder_readings_image_path_id", ["image_path", "id"]),
    ):
        op.create_index(name, "recorder_readings", columns)
