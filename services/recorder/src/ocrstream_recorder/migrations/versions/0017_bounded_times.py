"""Stored times that later times are compared with, but no later than a recorder now accepts.

A time in the year 2099 would win for ever. Rows from before the recorder have none of these times.
Each statement stands by itself, beside all other work; interrupted, the revision is run again. A
recorder from before accepts any time: stop all of them first.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0017"
down_revision = "0016"

_BOUND = "now() + interval '10 minutes'"
_LOCAL_BOUND = f"timezone(:zone, {_BOUND})"
_STATEMENTS = (
    f"""
UPDATE ocr_executions SET submitted_at = {_LOCAL_BOUND}, updated_at = timezone('utc', now())
WHERE submitted_at > {_LOCAL_BOUND}
""",
    # The last event is no earlier than any other time of the batch.
    f"""
UPDATE batch_executions
SET last_event_at = {_LOCAL_BOUND},
    run_began_at = CASE WHEN run_began_at > {_LOCAL_BOUND} THEN {_LOCAL_BOUND}
                        ELSE run_began_at END,
    updated_at = timezone('utc', now())
WHERE last_event_at > {_LOCAL_BOUND}
""",
    f"""
UPDATE recorder_retries SET requested_at = {_BOUND}
WHERE pending AND requested_at > {_BOUND}
""",
)


def upgrade() -> None:
    zone = context.config.attributes.get("zone", "UTC")
    with op.get_context().autocommit_block():
        for statement in _STATEMENTS:
            text = sa.text(statement.strip())
            op.execute(text.bindparams(zone=zone) if ":zone" in statement else text)
