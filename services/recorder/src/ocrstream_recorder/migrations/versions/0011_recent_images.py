"""How many of a batch's images were done lately, so that its pace can be told from its row."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # A constant default and a nullable column: no table is rewritten.
    op.add_column(
        "batch_executions",
        sa.Column("recent_images", sa.Double, nullable=False, server_default=sa.text("0")),
    )
    op.add_column("batch_executions", sa.Column("recent_at", sa.DateTime(timezone=True)))
