"""Migrations: Alembic revisions of the database, carried out by `ocrstream-recorder migrate`.

Every process that uses the database checks its revision first. Runs in both processes.
"""
