"""The five tables as the system before this one had them; those that exist are left alone.

What exists is looked at first: nothing is changed in a database that cannot be taken over.
"""

from alembic import context, op
from sqlalchemy.schema import CreateIndex, CreateTable

from ocrstream_recorder.database.tables import Base
from ocrstream_recorder.takeover.old_tables import OLD_TABLES
from ocrstream_recorder.takeover.take_over import existing_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    offline = context.is_offline_mode()
    existing: set[str] = set() if offline else existing_tables(op.get_bind(), Base.metadata)
    for table in OLD_TABLES.sorted_tables:
        if table.name not in existing:
            op.execute(CreateTable(table))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                op.execute(CreateIndex(index))
