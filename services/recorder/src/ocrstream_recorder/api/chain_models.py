"""Chains and their tasks as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ocrstream_recorder.api.models import with_example

_TASK: dict[str, Any] = {
    "task_id": "0d4a9c5e-0a53-5c0e-8f58-6b8a5b1f2c33",
    "task_name": "ocr",
    "status": "SUCCESS",
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "run": 1,
    "attempt": 1,
    "retries": 0,
    "reason": None,
    "error": None,
    "worker": "worker-1",
    "started_at": "2026-05-01T12:00:01Z",
    "finished_at": "2026-05-01T12:00:02.5Z",
    "duration_s": 1.5,
    "created_at": "2026-05-01T12:00:01Z",
    "updated_at": "2026-05-01T12:00:03Z",
}
_CHAIN: dict[str, Any] = {
    "chain_id": "7c6b2c9e-4c8e-5a0e-9d0a-1f6d1a0b7f11",
    "batch_id": "b-1",
    "chain_name": "batch_image_3",
    "celery_task_id": "0d4a9c5e-0a53-5c0e-8f58-6b8a5b1f2c33",
    "status": "SUCCESS",
    "run": 1,
    "total_tasks": 1,
    "completed_tasks": 1,
    "failed_tasks": 0,
    "started_at": "2026-05-01T12:00:01Z",
    "finished_at": "2026-05-01T12:00:02.5Z",
    "initiated_by": "batch_ocr",
    "input_data": {"image_path": "file:///data/a.png", "index": 3},
    "final_result": None,
    "reason": None,
    "error_message": None,
    "created_at": "2026-05-01T12:00:01Z",
    "updated_at": "2026-05-01T12:00:03Z",
}


class Task(BaseModel):
    """One task of a chain."""

    model_config = with_example(**_TASK)

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
    duration_s: float | None
    """From start to end, by the clock of who worked on it."""
    created_at: datetime
    updated_at: datetime


class ChainItem(BaseModel):
    """One image's chain of tasks."""

    model_config = with_example(**_CHAIN)

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


class Chain(ChainItem):
    """One image's chain with its tasks, run by run, as they began."""

    model_config = with_example(**_CHAIN, tasks=[_TASK])

    tasks: list[Task]
    """The first 1,000; `/v1/tasks?chain_id=` lists all."""


class TaskGroup(BaseModel):
    """What became of the tasks of one name, or of one worker, that began in a time."""

    model_config = with_example(
        key="ocr",
        tasks=1200,
        by_status={"SUCCESS": 1190, "FAILURE": 8, "STARTED": 2},
        by_reason={"no_text": 5, "not_found": 3},
        retried=4,
        median_s=0.4,
        p95_s=1.9,
        longest_s=6.2,
    )

    key: str | None
    tasks: int
    by_status: dict[str, int]
    by_reason: dict[str, int]
    """Failures and revocations by their reason."""
    retried: int
    """Tasks that took more than one attempt."""
    median_s: float | None
    p95_s: float | None
    longest_s: float | None
    """How long the ended ones took, by the clocks of who worked on them."""
