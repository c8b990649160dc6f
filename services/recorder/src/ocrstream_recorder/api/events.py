"""How a batch gets on, as Server-Sent Events.

An event tells a state whole, under an id that names the state, not a place in a log: whoever
resumes, at whichever replica, is told the present state unless it is the one of its last id.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ocrstream_recorder.api.path_segments import Key
from ocrstream_recorder.errors import NotWatchingError, TooManyListenersError
from ocrstream_recorder.progress.batch_watcher import BatchWatcher, Listener
from ocrstream_recorder.progress.queries import BatchProgress
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["read"])

KEEP_ALIVE_S = 15.0
_RECONNECT_MS = 2_000

_EXAMPLE = """\
event: progress
data: {"batch_id":"b","batch_name":null,"status":"RUNNING","ended":false,"progress":50.0,\
"revision":0,"run":1,"total_images":100,"total_known":true,"seen_images":100,\
"completed_images":49,"failed_images":1,"revoked_images":0,"started_at":"2026-05-01T12:00:00Z",\
"finished_at":null,"images_per_s":2.5,"eta_s":20.0}
id: 5f1b6f6c6a0de4bb2a0c3c55

"""

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until one side ends it; those of an ended batch are called `end`",
        "content": {"text/event-stream": {"example": _EXAMPLE}},
    },
    404: {"description": "Nothing is known of it (yet)"},
    503: {"description": "Too many listen, or the database is away; `Retry-After` says when"},
}


class EventStream(StreamingResponse):
    """A response whose body is events, ready to be sent."""

    media_type = "text/event-stream"


async def open_listener(
    request: Request,
    batch_id: Key,
    last_event_id: Annotated[
        str | None, Header(description="`id` of the last event that was received")
    ] = None,
) -> AsyncIterator[Listener]:
    """A listener for one request; a problem document if there can be none."""
    watcher: BatchWatcher | None = request.app.state.batch_watcher
    try:
        if watcher is None:
            raise NotWatchingError
        async with watcher.listen(batch_id, last_event_id) as listener:
            if listener is None:
                detail = f"No event has told of a batch {batch_id!r} yet"
                raise Problem(404, "No such batch", detail)
            yield listener
    except TooManyListenersError as error:
        detail = "As many listen as this replica may have; ask again, or poll the batch itself"
        raise Problem(503, "Too many listeners", detail, headers={"Retry-After": "10"}) from error
    except NotWatchingError as error:
        detail = "The database cannot be asked now; try again in a moment"
        raise Problem(503, "Database unavailable", detail, headers={"Retry-After": "2"}) from error


@router.get("/batches/{batch_id:segment}/events", response_class=EventStream, responses=_RESPONSES)
async def follow_batch(listener: Annotated[Listener, Depends(open_listener)]) -> EventStream:
    """How a batch gets on: at once, then within a second of each change.

    Every event tells the newest state whole: `progress`, or `end` once the batch has ended. The
    stream goes on after `end`, since an ended batch may change (a late success, a retry): close it
    if you wait for the end only. Pace and ETA are renewed every five seconds under the same id.
    """
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventStream(_events(listener), headers=headers)


async def _events(listener: Listener) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=_RECONNECT_MS)
    while not listener.ended:
        seen = await listener.next(KEEP_ALIVE_S)
        yield KEEPALIVE_COMMENT if seen is None else _event(seen)


def _event(seen: BatchProgress) -> bytes:
    name = "end" if seen.ended else "progress"
    return format_sse_event(event=name, data_str=seen.as_json, id=seen.state_id)
