"""The five tables as the system before this one had them, which the recorder takes over.

What a database must hold to be taken over, and what a new one begins with. Everything added since
stands in the revisions after the first.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, MetaData, Table

OLD_TABLES = MetaData()

KEY = {"key": True}
"""What marks the column by which events name a table's rows."""


def _timestamps() -> list[Column[Any]]:
    now = sa.text("timezone('utc', now())")
    return [
        Column(name, sa.DateTime, nullable=False, server_default=now)
        for name in ("created_at", "updated_at")
    ]


def _count(name: str, default: int = 0) -> Column[int]:
    return Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def _key(name: str) -> Column[str]:
    # In a database that is taken over it may be NULL; readers leave such a row out.
    return Column(name, sa.String(255), nullable=False, info=KEY)


def _index(table: str, *columns: str, unique: bool = False) -> Index:
    return Index(f"ix_{table}_{'_'.join(columns)}", *columns, unique=unique)


Table(
    "batch_executions",
    OLD_TABLES,
    Column("id", sa.Integer, primary_key=True),
    _key("batch_id"),
    Column("batch_name", sa.String(255)),
    Column("status", sa.String(20), nullable=False, server_default="PENDING"),
    _count("total_images"),
    _count("completed_images"),
    _count("failed_images"),
    _count("total_chunks"),
    _count("completed_chunks"),
    _count("failed_chunks"),
    _count("chunk_size", 10),
    Column("started_at", sa.DateTime),
    Column("finished_at", sa.DateTime),
    Column("initiated_by", sa.String(100)),
    Column("input_data", sa.JSON),
    Column("options", sa.JSON),
    Column("final_result", sa.JSON),
    Column("error_message", sa.Text),
    *_timestamps(),
    _index("batch_executions", "batch_id", unique=True),
    _index("batch_executions", "batch_name"),
    _index("batch_executions", "status"),
    _index("batch_executions", "status", "started_at"),
    _index("batch_executions", "batch_name", "status"),
)

Table(
    "chain_executions",
    OLD_TABLES,
    Column("id", sa.Integer, primary_key=True),
    _key("chain_id"),
    Column("celery_task_id", sa.String(255)),
    Column("chain_name", sa.String(255)),
    Column("batch_id", sa.String(255), ForeignKey("batch_executions.batch_id")),
    Column("status", sa.String(20), nullable=False, server_default="PENDING"),
    _count("total_tasks"),
    _count("completed_tasks"),
    _count("failed_tasks"),
    Column("started_at", sa.DateTime),
    Column("finished_at", sa.DateTime),
    Column("initiated_by", sa.String(100)),
    Column("input_data", sa.JSON),
    Column("final_result", sa.JSON),
    Column("error_message", sa.Text),
    *_timestamps(),
    _index("chain_executions", "chain_id"),
    _index("chain_executions", "celery_task_id"),
    _index("chain_executions", "chain_name"),
    _index("chain_executions", "batch_id"),
    _index("chain_executions", "status"),
    _index("chain_executions", "status", "started_at"),
    _index("chain_executions", "chain_name", "status"),
)

Table(
    "task_logs",
    OLD_TABLES,
    Column("id", sa.Integer, primary_key=True),
    _key("task_id"),
    Column("task_name", sa.String(255)),
    Column("status", sa.String(50)),
    Column("error", sa.String(512)),
    Column("started_at", sa.DateTime),
    Column("finished_at", sa.DateTime),
    _count("retries"),
    Column(
        "chain_execution_id", sa.Integer, ForeignKey("chain_executions.id", ondelete="SET NULL")
    ),
    *_timestamps(),
    _index("task_logs", "task_id", unique=True),
    _index("task_logs", "task_name"),
    _index("task_logs", "status"),
    _index("task_logs", "started_at"),
    _index("task_logs", "task_name", "status"),
    Index("ix_task_logs_started_at_desc", sa.text("started_at DESC")),
    _index("task_logs", "chain_execution_id", "status"),
)

Table(
    "ocr_executions",
    OLD_TABLES,
    Column("id", sa.BigInteger, primary_key=True),
    Column("chain_id", sa.String(255)),
    _key("image_path"),
    Column("public_path", sa.String(255)),
    Column("status", sa.String(50)),
    Column("error", sa.Text),
    *_timestamps(),
    _index("ocr_executions", "chain_id"),
    _index("ocr_executions", "image_path", unique=True),
    _index("ocr_executions", "public_path", unique=True),
    _index("ocr_executions", "status"),
)

Table(
    "ocr_text_boxes",
    OLD_TABLES,
    Column("id", sa.BigInteger, primary_key=True),
    Column(
        "ocr_execution_id",
        sa.BigInteger,
        ForeignKey("ocr_executions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("text", sa.Text, nullable=False),
    Column("confidence", sa.Float, nullable=False),
    Column("bbox", sa.JSON, nullable=False),
    *_timestamps(),
    _index("ocr_text_boxes", "ocr_execution_id"),
    _index("ocr_text_boxes", "confidence"),
)
