"""Migrations: Alembic revisions of the database.

Runs in `ocrstream-recorder migrate`; the recording process checks that it was run.
"""
