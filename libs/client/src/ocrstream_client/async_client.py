"""The client for asyncio: the same as `client`, awaited."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from ocrstream_client.addresses import Addresses, find_addresses
from ocrstream_client.answers import (
    BatchStatus,
    DeadLetter,
    Image,
    NotDone,
    Reprocessing,
    ResultVersions,
    SearchHit,
    Selected,
    Worker,
)
from ocrstream_client.plans import (
    BatchSeen,
    ImagesDone,
    IndexBehind,
    Page,
    Plans,
    ReprocessingSeen,
    only_read,
)
from ocrstream_client.submission import Named, resolve
from ocrstream_client.transport import Plan, carry_out_async, timeouts

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class AsyncClient:
    """Speaks HTTP to ingest and the recorder; to be used by any number of tasks of one event loop.

    Without `addresses` they are found as the command line finds them (`find_addresses`). Every
    method raises Unreachable if a service does not answer, Refused if it says no. What is posted is
    repeated while a service is away for a moment, under a key that makes it count once. `timeout_s`
    is for a single request.
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
        """The client itself; leaving closes its connections."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(
        self,
        images: Named | Iterable[Named],
        *,
        batch_name: str | None = None,
        by_reference: bool = False,
        options: Mapping[str, Any] | None = None,
        on_progress: ImagesDone = lambda _: None,
    ) -> "AsyncBatch":
        """Submit files, folders, globs and URLs as one batch; returns when the system has them.

        What names stand for is told at `submission.resolve`. Raises NotSubmittable.
        """
        submission = resolve(images, by_reference=by_reference)
        batch = self.batch(str(uuid4()))
        await self._carry_out(
            self._plans.submit(
                batch.batch_id,
                submission,
                batch_name=batch_name,
                options=options,
                on_progress=on_progress,
            )
        )
        return batch

    def batch(self, batch_id: str) -> "AsyncBatch":
        """A handle of a batch that was submitted before; asks nothing yet."""
        return AsyncBatch(batch_id, self._plans, self._carry_out)

    async def count_reprocessing(
        self, batch_id: str | None, *, where: str | None = None
    ) -> Selected:
        """What `reprocess` would send now, of a batch or (None) of all images. Sends nothing."""
        return await self._carry_out(self._plans.count_reprocessing(batch_id, where))

    async def reprocess(
        self, batch_id: str | None, *, where: str | None = None, lane: str | None = None
    ) -> Reprocessing:
        """Reprocess images that have a result, of a batch or (None) of all; returns when noted.

        `where` chooses among them, like `confidence < 0.8 and lane != gpu`; on another `lane` if
        one is given. What they say now is kept: see `result_versions`.
        """
        return await self._carry_out(self._plans.reprocess(batch_id, where, lane))

    async def reprocessing_status(self, request_id: str) -> Reprocessing:
        """How far a reprocessing is."""
        return await self._carry_out(self._plans.reprocessing_status(request_id))

    async def wait_reprocessing(
        self, request_id: str, *, on_progress: ReprocessingSeen = lambda _: None
    ) -> Reprocessing:
        """Wait until all images of a reprocessing have an outcome.

        The recorder may be away for half a minute meanwhile.
        """
        return await self._carry_out(self._plans.wait_reprocessing(request_id, on_progress))

    def result_versions(
        self, *, batch_id: str | None = None, image_path: str | None = None
    ) -> AsyncIterator[ResultVersions]:
        """What images said before they were reprocessed, and after; give one of the two.

        Of a batch each image the last time, of an image each time, the last first.
        """
        return _items(
            self._carry_out, lambda at: self._plans.result_versions(batch_id, image_path, at)
        )

    def search(
        self,
        text: str,
        *,
        words: bool = False,
        batch_id: str | None = None,
        min_confidence: float | None = None,
        on_behind: IndexBehind = lambda _: None,
    ) -> AsyncIterator[SearchHit]:
        """Images whose newest result has the text, in any language, the newest image first.

        `words`: only where it begins and ends with a word. `on_behind` is called for each page that
        came while the search is behind.
        """
        filters = {
            "mode": "word" if words else None,
            "batch_id": batch_id,
            "min_confidence": min_confidence,
        }
        return _items(self._carry_out, lambda at: self._plans.search(text, filters, at, on_behind))

    def dead_letters(
        self,
        *,
        topic: str | None = None,
        reason: str | None = None,
        state: str | None = None,
        batch_id: str | None = None,
    ) -> AsyncIterator[DeadLetter]:
        """Records that could not be applied, the newest first."""
        filters = {"topic": topic, "reason": reason, "state": state, "batch_id": batch_id}
        return _items(self._carry_out, lambda at: self._plans.dead_letters(filters, at))

    async def dead_letter(self, letter_id: int) -> dict[str, Any]:
        """A dead letter with its record's key, value and headers."""
        return await self._carry_out(self._plans.dead_letter(letter_id))

    async def redrive(
        self, letter_ids: Sequence[int], *, value: dict[str, Any] | None = None
    ) -> list[NotDone]:
        """Send dead letters to their topics again; gives those that cannot be.

        `value`: what to send instead of the only one of them.
        """
        more = {} if value is None else {"value": value}
        return await self._carry_out(self._plans.change_letters("redrive", letter_ids, more))

    async def drop(self, letter_ids: Sequence[int]) -> list[NotDone]:
        """Mark dead letters as dropped; gives those that cannot be."""
        return await self._carry_out(self._plans.change_letters("drop", letter_ids, {}))

    async def workers(self) -> list[Worker]:
        """Workers that were heard of in the last ten minutes; those alive first."""
        return await self._carry_out(self._plans.workers())

    async def troubles(self, url: str) -> dict[str, str]:
        """What the service at `url` lacks to do its work, by check; empty if nothing."""
        return await self._carry_out(self._plans.troubles(url))

    async def _carry_out(self, plan: Plan[ResultT]) -> ResultT:
        return await carry_out_async(self._http, plan)


class AsyncBatch:
    """A batch that was submitted, by its id."""

    def __init__(
        self, batch_id: str, plans: Plans, carry_out: Callable[[Plan[Any]], Awaitable[Any]]
    ) -> None:
        self.batch_id = batch_id
        self._retried: dict[str, int] = {}
        self._plans = plans
        self._carry_out = carry_out

    async def status(self) -> BatchStatus:
        """How far it is."""
        return await self._carry_out(self._plans.status(self.batch_id))

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - named as in Client
        *,
        on_progress: BatchSeen = lambda _: None,
    ) -> BatchStatus:
        """Wait until it has ended, `timeout` seconds at most; raises NotEnded, a TimeoutError.

        After `retry` that is the end of the new run. The recorder may be away for half a minute
        meanwhile.
        """
        return await self._carry_out(
            self._plans.wait(self.batch_id, timeout, on_progress, self._retried)
        )

    def images(self, *, boxes: bool = True, warning: str | None = None) -> AsyncIterator[Image]:
        """Its images in their order; without `boxes` only what became of them, which is quicker.

        With `warning`, a code like `low_confidence`, only those whose result carries it.
        """
        return _items(
            self._carry_out,
            lambda at: self._plans.images(self.batch_id, at, boxes=boxes, warning=warning),
        )

    async def get(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - named as in Client
        *,
        propagate: bool = True,
    ) -> list[Image]:
        """Wait as `wait` does, then all images with what they say.

        Raises NotAllRead if some were not read, unless `propagate` is False.
        """
        await self.wait(timeout)
        images = [image async for image in self.images()]
        return only_read(self.batch_id, images) if propagate else images

    async def export(
        self,
        to: Callable[[bytes], object],
        export_format: str = "jsonl",
        *,
        files: Sequence[str] = (),
        image_path: str | None = None,
    ) -> int:
        """Give `to` the batch, or one image of it, in another format, in pieces; tells the size.

        `export_format`: jsonl, csv, txt, md, hocr, alto, pdf or zip, of which `files` are the
        formats of its files. Raises Unreachable if it breaks off: what was given is to be thrown
        away then.
        """
        return await self._carry_out(
            self._plans.export(self.batch_id, export_format, files, image_path, to)
        )

    async def cancel(self) -> None:
        """Cancel what is not finished of it."""
        await self._carry_out(self._plans.cancel(self.batch_id))

    async def retry(self, *, include_no_text: bool = False) -> None:
        """Read its failed and cancelled images again, those without text only if asked to."""
        self._retried |= await self._carry_out(
            self._plans.retry(self.batch_id, include_no_text=include_no_text)
        )


async def _items(
    carry_out: Callable[[Plan[Any]], Awaitable[Any]],
    page_at: Callable[[str | None], Plan[Page[ItemT]]],
) -> AsyncIterator[ItemT]:
    cursor: str | None = None
    while True:
        page: Page[ItemT] = await carry_out(page_at(cursor))
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return
