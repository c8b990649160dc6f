"""Chains and their tasks as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Task(BaseModel):
    """One task of a chain."""

    task_id: str
    task_name: str | None
    status: str | None
    chain_id: str | None
    run: int
    attempt: int
    retries: int
    reason: str | None
    error: str | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Chain(BaseModel):
    """One image's chain of tasks."""

    chain_id: str
    batch_id: str | None
    chain_name: str | None
    celery_task_id: str | None
    status: str
    run: int
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    started_at: datetime | None
    finished_at: datetime | None
    initiated_by: str | None
    input_data: Any
    final_result: Any
    reason: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    tasks: list[Task]
