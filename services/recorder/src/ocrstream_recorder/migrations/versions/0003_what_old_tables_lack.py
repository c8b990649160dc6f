"""Defaults, widths, indexes and foreign keys that tables taken over may lack; two new indexes.

Each statement stands by itself, beside whatever else uses the tables, and is left out when it is
done already: interrupted, the revision is run again from its beginning.
"""

from alembic import context, op

from ocrstream_recorder.database.catalog import FoundTable, find_table
from ocrstream_recorder.database.new_indexes import NewIndex, make_indexes, waiting_patiently
from ocrstream_recorder.takeover.old_tables import OLD_TABLES
from ocrstream_recorder.takeover.take_over import (
    column_changes,
    foreign_key_changes,
    lacking_indexes,
)

revision = "0003"
down_revision = "0002"

# Of rows that events told of, run > 0, each chain has one; those of before may share an id.
_NEW_INDEXES = (
    NewIndex("uq_chain_executions_chain_id", "chain_executions", ("chain_id",), True, "run > 0"),
    NewIndex(
        "ix_chain_executions_batch_id_image_index",
        "chain_executions",
        ("batch_id", "image_index", "id"),
    ),
)


def upgrade() -> None:
    if context.is_offline_mode():
        make_indexes(_NEW_INDEXES)
        return
    with waiting_patiently():
        for table in OLD_TABLES.sorted_tables:
            found = _found(table.name)
            mine = [index for index in _NEW_INDEXES if index.table == table.name]
            for index in lacking_indexes(table, found) + mine:
                for statement in index.statements(found):
                    op.execute(statement)
    with op.get_context().autocommit_block():
        for table in OLD_TABLES.sorted_tables:
            found = _found(table.name)
            for statement in column_changes(table, found) + foreign_key_changes(table, found):
                op.execute(statement)


def _found(table: str) -> FoundTable:
    found = find_table(op.get_bind(), table)
    if found is None:
        raise LookupError(f"the table {table} is gone")
    return found
