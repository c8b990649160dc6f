"""GET /v1/workers: who reads images now."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from ocrstream_recorder.api.models import Page
from ocrstream_recorder.errors import RegistryStaleError
from ocrstream_recorder.monitoring.worker_registry import LastHeartbeat, WorkerRegistry
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["workers"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    503: {"description": "Heartbeats cannot be read now; the problem says why"}
}


class Worker(BaseModel):
    """A worker, as it last told of itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "worker": "ocr-7-4711",
                    "alive": True,
                    "ready": True,
                    "stopped": False,
                    "host": "ocr-7",
                    "engine": "rapidocr",
                    "versions": {"rapidocr": "3.10.0"},
                    "device": "cpu",
                    "lanes": ["urgent", "default"],
                    "images_in_flight": 6,
                    "images_done": 1204,
                    "images_per_s": 2.25,
                    "started_at": "2026-01-01T00:00:00Z",
                    "last_seen_at": "2026-01-01T00:09:05Z",
                }
            ]
        }
    )

    worker: str
    """As its results name it."""
    alive: bool
    """Whether it was heard of within three of its intervals, and has not stopped."""
    ready: bool
    """Whether its engine takes images."""
    stopped: bool
    """Whether it said that it ends."""
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
    """By the broker's clock."""

    @classmethod
    def of(cls, sighting: LastHeartbeat, now: datetime) -> "Worker":
        """What is answered about a worker at `now`."""
        said = sighting.said
        alive = sighting.alive(now)
        return cls(
            worker=said.worker,
            alive=alive,
            ready=alive and said.ready,
            stopped=said.stopped,
            host=said.host,
            engine=said.engine,
            versions=said.versions,
            device=said.device,
            lanes=list(said.lanes),
            images_in_flight=said.images_in_flight,
            images_done=said.images_done,
            images_per_s=said.images_per_s,
            started_at=said.started_at,
            last_seen_at=sighting.seen_at,
        )


@router.get("/workers", responses=_UNKNOWN)
async def list_workers(
    request: Request,
    *,
    alive: Annotated[bool | None, Query(description="Only those that are, or are not")] = None,
) -> Page[Worker]:
    """Workers by name, those alive first; one silent for ten minutes is forgotten. Never paged."""
    fleet: WorkerRegistry = request.app.state.fleet
    now = datetime.now(UTC)
    try:
        workers = [Worker.of(sighting, now) for sighting in fleet.workers(now)]
    except RegistryStaleError as error:
        raise Problem(
            503, "Workers are not known now", str(error), headers={"Retry-After": "2"}
        ) from error
    return Page(
        items=[one for one in workers if alive is None or one.alive == alive], next_cursor=None
    )
