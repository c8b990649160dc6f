"""Publishes a batch whose images come one after another, in constant memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from ocrstream_ingest.publisher import Record, Sender
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.problems import Problem

_AHEAD = 3


async def publish_stream(
    sender: Sender,
    submission: Submission,
    images: AsyncIterator[list[Record]],
    announced_total: int | None,
) -> tuple[int, int]:
    """Publish the batch without its total, the images as they come, and the total last.

    Returns how many images there were and the total. If `images` raises Problem, what was published
    by then is announced as all there is, so that the batch ends, and the Problem tells how much
    that was; if nothing was, nothing is announced.
    """
    accepted = 0
    under_way: deque[asyncio.Task[None]] = deque()
    try:
        async for records in images:
            if accepted == 0:
                await sender.send(submission.batch_id, [submission.announcement(announced_total)])
            accepted += len(records)
            under_way.append(asyncio.create_task(sender.send(submission.batch_id, records)))
            while len(under_way) > _AHEAD:
                await under_way.popleft()
        while under_way:
            await under_way.popleft()
    except Problem as problem:
        await _settle(under_way)
        if accepted and problem.status < 500:
            await sender.send(submission.batch_id, [submission.announcement(accepted)])
        problem.extra.update(batch_id=submission.batch_id, accepted_images=accepted)
        raise
    finally:
        await _settle(under_way)
    total = accepted if announced_total is None else announced_total
    await sender.send(submission.batch_id, [submission.announcement(total)])
    return accepted, total


async def _settle(under_way: deque[asyncio.Task[None]]) -> None:
    """Wait for what is being sent; that it may fail matters no more."""
    await asyncio.gather(*under_way, return_exceptions=True)
    under_way.clear()
