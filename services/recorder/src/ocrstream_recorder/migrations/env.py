"""Alembic's entry: runs the revisions on the connection that `migrate` hands over.

Offline it writes them as SQL, for a new database.
"""

from alembic import context
from sqlalchemy import text

from ocrstream_recorder.database.tables import Base
from ocrstream_recorder.migrations.migrate import VERSION_TABLE

# Whoever waits for a table's lock holds up all that come after: not for long, then.
_TIMEOUTS = ("SET lock_timeout = '5s'", "SET statement_timeout = 0")

if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        version_table=VERSION_TABLE,
        transaction_per_migration=True,
        literal_binds=True,
    )
    for statement in _TIMEOUTS:
        context.execute(statement)
else:
    connection = context.config.attributes["connection"]
    for statement in _TIMEOUTS:
        connection.execute(text(statement))
    connection.commit()
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
    )
with context.begin_transaction():
    context.run_migrations()
