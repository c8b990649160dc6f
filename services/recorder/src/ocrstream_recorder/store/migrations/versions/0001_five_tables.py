"""The five tables as the system before this one had them; those that exist are left alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NOW = sa.text("timezone('utc', now())")


def _timestamps() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=_NOW),
        sa.Column("updated_at", sa.DateTime, nullable=False, server_default=_NOW),
    ]


def _count(name: str, default: int = 0) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def _status(length: int = 20) -> sa.Column[Any]:
    return sa.Column("status", sa.String(length), nullable=False, server_default="PENDING")


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), unique=unique)


def upgrade() -> None:
    existing = set(sa.inspect(op.get_bind()).get_table_names())
    for name, create in _TABLES.items():
        if name not in existing:
            create(name)


def _batch_executions(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.String(255), nullable=False),
        sa.Column("batch_name", sa.String(255)),
        _status(),
        *[
            _count(column)
            for column in (
                "total_images",
                "completed_images",
                "failed_images",
                "total_chunks",
                "completed_chunks",
                "failed_chunks",
            )
        ],
        _count("chunk_size", 10),
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("initiated_by", sa.String(100)),
        sa.Column("input_data", sa.JSON),
        sa.Column("options", sa.JSON),
        sa.Column("final_result", sa.JSON),
        sa.Column("error_message", sa.Text),
        *_timestamps(),
    )
    _index(name, "batch_id", unique=True)
    _index(name, "batch_name")
    _index(name, "status")
    _index(name, "status", "started_at")
    _index(name, "batch_name", "status")


def _chain_executions(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("chain_id", sa.String(255), nullable=False),
        sa.Column("celery_task_id", sa.String(255)),
        sa.Column("chain_name", sa.String(255)),
        sa.Column("batch_id", sa.String(255), sa.ForeignKey("batch_executions.batch_id")),
        _status(),
        *[_count(column) for column in ("total_tasks", "completed_tasks", "failed_tasks")],
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("initiated_by", sa.String(100)),
        sa.Column("input_data", sa.JSON),
        sa.Column("final_result", sa.JSON),
        sa.Column("error_message", sa.Text),
        *_timestamps(),
    )
    for column in ("chain_id", "celery_task_id", "chain_name", "batch_id", "status"):
        _index(name, column)
    _index(name, "status", "started_at")
    _index(name, "chain_name", "status")


def _task_logs(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(255), nullable=False),
        sa.Column("task_name", sa.String(255)),
        sa.Column("status", sa.String(50)),
        sa.Column("error", sa.String(512)),
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        _count("retries"),
        sa.Column(
            "chain_execution_id",
            sa.Integer,
            sa.ForeignKey("chain_executions.id", ondelete="SET NULL"),
        ),
        *_timestamps(),
    )
    _index(name, "task_id", unique=True)
    for column in ("task_name", "status", "started_at"):
        _index(name, column)
    _index(name, "task_name", "status")
    op.create_index("ix_task_logs_started_at_desc", name, [sa.text("started_at DESC")])
    _index(name, "chain_execution_id", "status")


def _ocr_executions(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("chain_id", sa.String(255)),
        sa.Column("image_path", sa.String(255), nullable=False),
        sa.Column("public_path", sa.String(255)),
        sa.Column("status", sa.String(50)),
        sa.Column("error", sa.Text),
        *_timestamps(),
    )
    _index(name, "chain_id")
    _index(name, "image_path", unique=True)
    _index(name, "public_path", unique=True)
    _index(name, "status")


def _ocr_text_boxes(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column(
            "ocr_execution_id",
            sa.BigInteger,
            sa.ForeignKey("ocr_executions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("bbox", sa.JSON, nullable=False),
        *_timestamps(),
    )
    _index(name, "ocr_execution_id")
    _index(name, "confidence")


_TABLES = {
    "batch_executions": _batch_executions,
    "chain_executions": _chain_executions,
    "task_logs": _task_logs,
    "ocr_executions": _ocr_executions,
    "ocr_text_boxes": _ocr_text_boxes,
}
