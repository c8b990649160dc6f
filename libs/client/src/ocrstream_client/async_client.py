"""The client for asyncio: the same as `client`, awaited."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from ocrstream_client.addresses import Addresses, find_addresses
from ocrstream_client.models import (
    BatchStatus,
    DeadLetter,
    FailureGroup,
    Image,
    NotDone,
    Readiness,
    Reprocessing,
    ResultVersions,
    SearchHit,
    Selected,
    Worker,
)
from ocrstream_client.plans import (
    BatchSeen,
    IndexBehind,
    Page,
    Plans,
    ReprocessingSeen,
    require_all_read,
)
from ocrstream_client.submission import Source, resolve, with_lane
from ocrstream_client.submission_plan import FileRefused, ImagesDone
from ocrstream_client.transport import Plan, run_plan_async, timeouts

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class AsyncClient:
    """Calls ingest and the recorder by HTTP; any number of tasks of one event loop may share it.

    Without `addresses` it finds them as the command line does (`find_addresses`). Every method
    raises UnreachableError if a service does not answer, RefusedError if it refuses. The client
    retries a POST while a service is away for a moment, under a key that makes it count once.
    `timeout_s` applies to a single request.
    """

    def __init__(
        self,
        addresses: Addresses | None = None,
        *,
        timeout_s: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._plans = Plans(addresses or find_addresses())
        self._http = httpx.AsyncClient(timeout=timeouts(timeout_s), transport=transport)

    async def __aenter__(self) -> Self:
        """Returns the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connections."""
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def submit(
        self,
        images: Source | Iterable[Source],
        *,
        batch_id: str | None = None,
        batch_name: str | None = None,
        by_reference: bool = False,
        lane: str | None = None,
        options: Mapping[str, Any] | None = None,
        pdf_password: str | None = None,
        on_progress: ImagesDone = lambda _: None,
        on_refused: FileRefused = lambda _: None,
    ) -> "AsyncBatch":
        """Submits files, folders, globs and URLs as one batch; returns when the broker has them.

        `submission.resolve` describes what a name means; `lane` is the option of that name, and
        `pdf_password` opens the uploaded PDFs that a password protects; no service stores it. A
        file that cannot be stored costs no other: its image fails, and `on_refused` gets its name
        and the reason. If a submission broke off, the same call with its `batch_id` continues it,
        and submits nothing twice. Raises NotSubmittableError.
        """
        submission = resolve(images, by_reference=by_reference)
        batch = self.batch(batch_id or str(uuid4()))
        await self._run(
            self._plans.submit(
                batch.batch_id,
                submission,
                batch_name=batch_name,
                options=with_lane(options, lane),
                pdf_password=pdf_password,
                on_progress=on_progress,
                on_refused=on_refused,
            )
        )
        return batch

    def batch(self, batch_id: str) -> "AsyncBatch":
        """Returns a handle of a batch that was submitted before; sends no request."""
        return AsyncBatch(batch_id, self._plans, self._run)

    async def count_reprocessing(
        self, batch_id: str | None, *, where: str | None = None
    ) -> Selected:
        """What `reprocess` would send now, of a batch or (None) of all images. Sends nothing."""
        return await self._run(self._plans.count_reprocessing(batch_id, where))

    async def reprocess(
        self, batch_id: str | None, *, where: str | None = None, lane: str | None = None
    ) -> Reprocessing:
        """Reprocess images that have a result, of a batch or (None) of all; returns when noted.

        `where` chooses among them, like `confidence < 0.8 and lane != gpu`; on another `lane` if
        one is given. What they say now is kept: see `result_versions`.
        """
        return await self._run(self._plans.reprocess(batch_id, where, lane))

    async def reprocessing_status(self, request_id: str) -> Reprocessing:
        """How far a reprocessing is."""
        return await self._run(self._plans.reprocessing_status(request_id))

    async def wait_reprocessing(
        self, request_id: str, *, on_progress: ReprocessingSeen = lambda _: None
    ) -> Reprocessing:
        """Wait until all images of a reprocessing have an outcome.

        The recorder may be away for half a minute meanwhile.
        """
        return await self._run(self._plans.wait_reprocessing(request_id, on_progress))

    def result_versions(
        self, *, batch_id: str | None = None, image_path: str | None = None
    ) -> AsyncIterator[ResultVersions]:
        """What images said before they were reprocessed, and after; give one of the two.

        Of a batch each image the last time, of an image each time, the last first.
        """
        return _items(self._run, lambda at: self._plans.result_versions(batch_id, image_path, at))

    def batches(
        self,
        *,
        batch_name: str | None = None,
        status: str | None = None,
        initiated_by: str | None = None,
        started_from: datetime | None = None,
        started_before: datetime | None = None,
    ) -> AsyncIterator[BatchStatus]:
        """Yields the batches that match all filters, the newest first.

        Times need a zone.
        """
        filters = {
            "batch_name": batch_name,
            "status": status,
            "initiated_by": initiated_by,
            "started_from": started_from and started_from.isoformat(),
            "started_before": started_before and started_before.isoformat(),
        }
        return _items(self._run, lambda at: self._plans.batches(filters, at))

    def search(
        self,
        text: str,
        *,
        words: bool = False,
        batch_id: str | None = None,
        min_confidence: float | None = None,
        on_behind: IndexBehind = lambda _: None,
    ) -> AsyncIterator[SearchHit]:
        """Yields the images whose newest result contains the text, the newest image first.

        The text may be in any language. `words` matches only at word boundaries. The client calls
        `on_behind` for each page that comes from a search index that lags behind.
        """
        filters = {
            "mode": "word" if words else None,
            "batch_id": batch_id,
            "min_confidence": min_confidence,
        }
        return _items(self._run, lambda at: self._plans.search(text, filters, at, on_behind))

    def dead_letters(
        self,
        *,
        topic: str | None = None,
        reason: str | None = None,
        state: str | None = None,
        batch_id: str | None = None,
    ) -> AsyncIterator[DeadLetter]:
        """Yields records that the recorder could not apply, the newest first."""
        filters = {"topic": topic, "reason": reason, "state": state, "batch_id": batch_id}
        return _items(self._run, lambda at: self._plans.dead_letters(filters, at))

    async def dead_letter(self, letter_id: int) -> dict[str, Any]:
        """Returns a dead letter with its record's key, value and headers."""
        return await self._run(self._plans.dead_letter(letter_id))

    async def redrive(
        self, letter_ids: Sequence[int], *, value: dict[str, Any] | None = None
    ) -> list[NotDone]:
        """Sends dead letters to their topics again; returns those that were not sent.

        `value` replaces the value of the record, if there is one id.
        """
        fields = {} if value is None else {"value": value}
        return await self._run(self._plans.change_letters("redrive", letter_ids, fields))

    async def drop(self, letter_ids: Sequence[int]) -> list[NotDone]:
        """Marks dead letters as dropped; returns those that were not marked."""
        return await self._run(self._plans.change_letters("drop", letter_ids, {}))

    async def workers(self) -> list[Worker]:
        """Returns the workers with a heartbeat in the last ten minutes, those alive first."""
        return await self._run(self._plans.workers())

    async def readiness(self, url: str) -> Readiness:
        """Returns what the service at `url` reports about itself."""
        return await self._run(self._plans.readiness(url))

    async def _run(self, plan: Plan[ResultT]) -> ResultT:
        return await run_plan_async(self._http, plan)


class AsyncBatch:
    """A submitted batch."""

    def __init__(
        self, batch_id: str, plans: Plans, run_plan: Callable[[Plan[Any]], Awaitable[Any]]
    ) -> None:
        self.batch_id = batch_id
        self._retried: dict[str, int] = {}
        self._plans = plans
        self._run = run_plan

    async def status(self) -> BatchStatus:
        """Returns its status."""
        return await self._run(self._plans.status(self.batch_id))

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - named as in Client
        *,
        on_progress: BatchSeen = lambda _: None,
    ) -> BatchStatus:
        """Waits until it has ended, for at most `timeout` seconds. Raises WaitTimeoutError.

        After `retry` it waits for the end of the new run. The recorder may be away for half a
        minute meanwhile.
        """
        return await self._run(self._plans.wait(self.batch_id, timeout, on_progress, self._retried))

    def images(
        self, *, boxes: bool = True, warning: str | None = None, status: str | None = None
    ) -> AsyncIterator[Image]:
        """Yields its images in order; without `boxes` only their status, which is faster.

        With `warning`, a code like `low_confidence`, only images whose result has that warning;
        with `status`, like `FAILURE`, only images in that status.
        """
        return _items(
            self._run,
            lambda at: self._plans.images(
                self.batch_id, at, boxes=boxes, warning=warning, status=status
            ),
        )

    async def failures(self, *, examples: int = 3) -> list[FailureGroup]:
        """Returns why images were not read, the commonest reason first.

        Each group has up to `examples` images, of at most 20.
        """
        return await self._run(self._plans.failures(self.batch_id, examples))

    async def get(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - named as in Client
        *,
        propagate: bool = True,
    ) -> list[Image]:
        """Waits as `wait` does, then returns all images with their text.

        Raises ImagesFailedError if some were not read, unless `propagate` is False.
        """
        await self.wait(timeout)
        images = [image async for image in self.images()]
        return require_all_read(self.batch_id, images) if propagate else images

    async def export(
        self,
        to: Callable[[bytes], object],
        export_format: str = "jsonl",
        *,
        files: Sequence[str] = (),
        image_path: str | None = None,
    ) -> int:
        """Passes the chunks of an export, of the batch or one image, to `to`; returns their size.

        `export_format` is jsonl, csv, txt, md, hocr, alto, pdf or zip; `files` are the formats of
        the files in a zip. Raises UnreachableError if the response breaks off; the chunks are then
        incomplete.
        """
        return await self._run(
            self._plans.export(self.batch_id, export_format, files, image_path, to)
        )

    async def cancel(self) -> None:
        """Cancels its unfinished images."""
        await self._run(self._plans.cancel(self.batch_id))

    async def retry(self, *, include_no_text: bool = False) -> None:
        """Retries its failed and cancelled images; those without text only if asked to."""
        self._retried |= await self._run(
            self._plans.retry(self.batch_id, include_no_text=include_no_text)
        )


async def _items(
    run_plan: Callable[[Plan[Any]], Awaitable[Any]],
    page_at: Callable[[str | None], Plan[Page[ItemT]]],
) -> AsyncIterator[ItemT]:
    cursor: str | None = None
    while True:
        page: Page[ItemT] = await run_plan(page_at(cursor))
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return
