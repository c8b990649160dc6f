"""Workers: `/v1/workers`, by the heartbeats that they send."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ocrstream_recorder.api.http import Responses, with_example
from ocrstream_recorder.api.paging import Page
from ocrstream_recorder.errors import RegistryStaleError
from ocrstream_recorder.monitoring.worker_registry import LastHeartbeat, WorkerRegistry
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1", tags=["workers"])

_UNAVAILABLE: Responses = {
    503: {"description": "The recorder cannot read the heartbeats; the problem says why"}
}


class Worker(BaseModel):
    """A worker, by its last heartbeat."""

    model_config = with_example(
        worker="ocr-7-4711",
        alive=True,
        ready=True,
        stopped=False,
        host="ocr-7",
        engine="rapidocr",
        versions={"rapidocr": "3.10.0"},
        device="cpu",
        lanes=["urgent", "default"],
        images_in_flight=6,
        images_done=1204,
        images_per_s=2.25,
        started_at="2026-01-01T00:00:00Z",
        last_seen_at="2026-01-01T00:09:05Z",
    )

    worker: str
    """Its name, as in its results."""
    alive: bool
    """Whether it sent a heartbeat within three of its intervals, and has not stopped."""
    ready: bool
    """Whether its engine accepts images."""
    stopped: bool
    """Whether its last heartbeat announced its end."""
    host: str
    engine: str
    versions: dict[str, str]
    device: str
    lanes: list[str]
    images_in_flight: int
    images_done: int
    """Since its start."""
    images_per_s: float
    """Over the last minute."""
    started_at: datetime
    last_seen_at: datetime
    """When the broker received the heartbeat, by the broker's clock."""

    @classmethod
    def of(cls, last: LastHeartbeat, now: datetime) -> "Worker":
        """The worker as of `now`."""
        heartbeat = last.heartbeat
        alive = last.alive(now)
        return cls(
            worker=heartbeat.worker,
            alive=alive,
            ready=alive and heartbeat.ready,
            stopped=heartbeat.stopped,
            host=heartbeat.host,
            engine=heartbeat.engine,
            versions=heartbeat.versions,
            device=heartbeat.device,
            lanes=list(heartbeat.lanes),
            images_in_flight=heartbeat.images_in_flight,
            images_done=heartbeat.images_done,
            images_per_s=heartbeat.images_per_s,
            started_at=heartbeat.started_at,
            last_seen_at=last.seen_at,
        )


@router.get("/workers", responses=_UNAVAILABLE)
async def list_workers(
    request: Request,
    *,
    alive: Annotated[
        bool | None, Query(description="Only workers that are alive, or that are not")
    ] = None,
) -> Page[Worker]:
    """Workers by name, those alive first; always one page.

    A worker that sends no heartbeat for ten minutes is left out.
    """
    registry: WorkerRegistry = request.app.state.worker_registry
    now = datetime.now(UTC)
    try:
        workers = [Worker.of(last, now) for last in registry.workers(now)]
    except RegistryStaleError as error:
        raise ProblemError(
            503, "Workers unavailable", str(error), headers={"Retry-After": "2"}
        ) from error
    return Page(
        items=[worker for worker in workers if alive is None or worker.alive == alive],
        next_cursor=None,
    )
