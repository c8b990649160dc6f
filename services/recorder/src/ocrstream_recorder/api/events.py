"""Batch progress as Server-Sent Events: `/v1/batches/{batch_id}/events`.

An event holds a whole state. Its id names that state, not a position in a log: a client that
resumes, at any replica, gets the current state unless that is the one of its last id.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ocrstream_recorder.api.http import (
    NOT_FOUND_DESCRIPTION,
    Key,
    Responses,
    database_unavailable,
    found,
)
from ocrstream_recorder.errors import NotWatchingError, TooManyListenersError
from ocrstream_recorder.progress.batch_watcher import BatchWatcher, Listener
from ocrstream_recorder.progress.queries import BatchProgress
from ocrstream_runtime.errors import ProblemError

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

_RESPONSES: Responses = {
    200: {
        "description": "Events until one side ends the stream; those of an ended batch are `end`",
        "content": {"text/event-stream": {"example": _EXAMPLE}},
    },
    404: {"description": NOT_FOUND_DESCRIPTION},
    503: {"description": "Too many listeners, or no database; `Retry-After` says when to retry"},
}


class EventStream(StreamingResponse):
    """A response whose body is encoded events."""

    media_type = "text/event-stream"


async def open_listener(
    request: Request,
    batch_id: Key,
    last_event_id: Annotated[
        str | None, Header(description="`id` of the last event that the client received")
    ] = None,
) -> AsyncIterator[Listener]:
    """A listener for one request. Raises ProblemError (404, 503)."""
    watcher: BatchWatcher | None = request.app.state.batch_watcher
    try:
        if watcher is None:
            raise NotWatchingError
        async with watcher.listen(batch_id, last_event_id) as listener:
            yield found(listener, "batch", batch_id)
    except TooManyListenersError as error:
        detail = "This replica has reached its limit of listeners; try again, or poll the batch"
        raise ProblemError(
            503, "Too many listeners", detail, headers={"Retry-After": "10"}
        ) from error
    except NotWatchingError as error:
        raise database_unavailable() from error


@router.get("/batches/{batch_id:segment}/events", response_class=EventStream, responses=_RESPONSES)
async def follow_batch(listener: Annotated[Listener, Depends(open_listener)]) -> EventStream:
    """The progress of a batch: its current state, then each change within a second.

    Every event holds the whole newest state: `progress`, or `end` once the batch has ended. The
    stream continues after `end`, since an ended batch may change (a late success, a retry): a
    client that waits for the end closes it. Rate and ETA are updated every five seconds under the
    same id.
    """
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventStream(_events(listener), headers=headers)


async def _events(listener: Listener) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=_RECONNECT_MS)
    while not listener.ended:
        state = await listener.next(KEEP_ALIVE_S)
        yield KEEPALIVE_COMMENT if state is None else _event(state)


def _event(state: BatchProgress) -> bytes:
    name = "end" if state.ended else "progress"
    return format_sse_event(event=name, data_str=state.as_json, id=state.state_id)
