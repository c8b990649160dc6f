"""Publishes a batch whose images arrive one after another, in constant memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from ocrstream_ingest.publisher import Publisher, Record
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.fields import MAX_BATCH_IMAGES

_MAX_IN_FLIGHT = 3
"""How many groups of images the broker may have yet to acknowledge."""


async def publish_stream(
    publisher: Publisher,
    submission: Submission,
    groups: AsyncIterator[list[Record]],
    batch_total: int | None,
) -> tuple[int, int]:
    """Publishes the batch without its total, then the images as they arrive, then the total.

    Returns how many images there were, and the total. If `groups` raises ProblemError, the images
    published by then become the batch's total, so that the batch ends, and the ProblemError names
    their number; without any, nothing is published. More than MAX_BATCH_IMAGES end it with
    ProblemError (413) in the same way.
    """
    accepted = 0
    in_flight: deque[asyncio.Task[None]] = deque()
    try:
        async for records in groups:
            if accepted + len(records) > MAX_BATCH_IMAGES:
                raise ProblemError(
                    413,
                    "Too many images",
                    f"A batch has at most {MAX_BATCH_IMAGES:,} images; submit the others as"
                    " another batch",
                )
            if accepted == 0:
                await publisher.publish(submission.batch_id, [submission.batch_record(batch_total)])
            accepted += len(records)
            in_flight.append(asyncio.create_task(publisher.publish(submission.batch_id, records)))
            while len(in_flight) > _MAX_IN_FLIGHT:
                await in_flight.popleft()
        while in_flight:
            await in_flight.popleft()
    except ProblemError as problem:
        await _settle(in_flight)
        if accepted and problem.status < 500:
            await publisher.publish(submission.batch_id, [submission.batch_record(accepted)])
        problem.extra.update(batch_id=submission.batch_id, accepted_images=accepted)
        raise
    finally:
        await _settle(in_flight)
    total = accepted if batch_total is None else batch_total
    await publisher.publish(submission.batch_id, [submission.batch_record(total)])
    return accepted, total


async def _settle(in_flight: deque[asyncio.Task[None]]) -> None:
    """Waits until the groups in flight are acknowledged or have failed; ignores failures."""
    await asyncio.gather(*in_flight, return_exceptions=True)
    in_flight.clear()
