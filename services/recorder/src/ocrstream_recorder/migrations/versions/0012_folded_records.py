"""Which records are folded into a chain, so that they are known when they are read again."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    # A nullable column: no table is rewritten. Rows from before know no record.
    op.add_column("chain_executions", sa.Column("folded", sa.LargeBinary))
