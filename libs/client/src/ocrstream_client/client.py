"""The client for threads: submit images, wait, read what they say."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ocrstream_client.transport import Plan, carry_out, timeouts

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Client:
    """Speaks HTTP to ingest and the recorder; to be used by any number of threads.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._plans = Plans(addresses or find_addresses())
        self._http = httpx.Client(timeout=timeouts(timeout_s), transport=transport)

    def __enter__(self) -> Self:
        """The client itself; leaving closes its connections."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
        self,
        images: Named | Iterable[Named],
        *,
        batch_name: str | None = None,
        by_reference: bool = False,
        options: Mapping[str, Any] | None = None,
        on_progress: ImagesDone = lambda _: None,
    ) -> "Batch":
        """Submit files, folders, globs and URLs as one batch; returns when the system has them.

        What names stand for is told at `submission.resolve`. Raises NotSubmittable.
        """
        submission = resolve(images, by_reference=by_reference)
        batch = self.batch(str(uuid4()))
        self._carry_out(
            self._plans.submit(
                batch.batch_id,
                submission,
                batch_name=batch_name,
                options=options,
                on_progress=on_progress,
            )
        )
        return batch

    def batch(self, batch_id: str) -> "Batch":
        """A handle of a batch that was submitted before; asks nothing yet."""
        return Batch(batch_id, self._plans, self._carry_out)

    def count_reprocessing(self, batch_id: str | None, *, where: str | None = None) -> Selected:
        """What `reprocess` would send now, of a batch or (None) of all images. Sends nothing."""
        return self._carry_out(self._plans.count_reprocessing(batch_id, where))

    def reprocess(
        self, batch_id: str | None, *, where: str | None = None, lane: str | None = None
    ) -> Reprocessing:
        """Reprocess images that have a result, of a batch or (None) of all; returns when noted.

        `where` chooses among them, like `confidence < 0.8 and lane != gpu`; on another `lane` if
        one is given. What they say now is kept: see `result_versions`.
        """
        return self._carry_out(self._plans.reprocess(batch_id, where, lane))

    def reprocessing_status(self, request_id: str) -> Reprocessing:
        """How far a reprocessing is."""
        return self._carry_out(self._plans.reprocessing_status(request_id))

    def wait_reprocessing(
        self, request_id: str, *, on_progress: ReprocessingSeen = lambda _: None
    ) -> Reprocessing:
        """Wait until all images of a reprocessing have an outcome.

        The recorder may be away for half a minute meanwhile.
        """
        return self._carry_out(self._plans.wait_reprocessing(request_id, on_progress))

    def result_versions(
        self, *, batch_id: str | None = None, image_path: str | None = None
    ) -> Iterator[ResultVersions]:
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
    ) -> Iterator[SearchHit]:
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
    ) -> Iterator[DeadLetter]:
        """Records that could not be applied, the newest first."""
        filters = {"topic": topic, "reason": reason, "state": state, "batch_id": batch_id}
        return _items(self._carry_out, lambda at: self._plans.dead_letters(filters, at))

    def dead_letter(self, letter_id: int) -> dict[str, Any]:
        """A dead letter with its record's key, value and headers."""
        return self._carry_out(self._plans.dead_letter(letter_id))

    def redrive(
        self, letter_ids: Sequence[int], *, value: dict[str, Any] | None = None
    ) -> list[NotDone]:
        """Send dead letters to their topics again; gives those that cannot be.

        `value`: what to send instead of the only one of them.
        """
        more = {} if value is None else {"value": value}
        return self._carry_out(self._plans.change_letters("redrive", letter_ids, more))

    def drop(self, letter_ids: Sequence[int]) -> list[NotDone]:
        """Mark dead letters as dropped; gives those that cannot be."""
        return self._carry_out(self._plans.change_letters("drop", letter_ids, {}))

    def workers(self) -> list[Worker]:
        """Workers that were heard of in the last ten minutes; those alive first."""
        return self._carry_out(self._plans.workers())

    def troubles(self, url: str) -> dict[str, str]:
        """What the service at `url` lacks to do its work, by check; empty if nothing."""
        return self._carry_out(self._plans.troubles(url))

    def _carry_out(self, plan: Plan[ResultT]) -> ResultT:
        return carry_out(self._http, plan)


class Batch:
    """A batch that was submitted, by its id."""

    def __init__(self, batch_id: str, plans: Plans, carry_out: Callable[[Plan[Any]], Any]) -> None:
        self.batch_id = batch_id
        self._retried: dict[str, int] = {}
        self._plans = plans
        self._carry_out = carry_out

    def status(self) -> BatchStatus:
        """How far it is."""
        return self._carry_out(self._plans.status(self.batch_id))

    def wait(
        self, timeout: float | None = None, *, on_progress: BatchSeen = lambda _: None
    ) -> BatchStatus:
        """Wait until it has ended, `timeout` seconds at most; raises NotEnded, a TimeoutError.

        After `retry` that is the end of the new run. The recorder may be away for half a minute
        meanwhile.
        """
        return self._carry_out(self._plans.wait(self.batch_id, timeout, on_progress, self._retried))

    def images(self, *, boxes: bool = True, warning: str | None = None) -> Iterator[Image]:
        """Its images in their order; without `boxes` only what became of them, which is quicker.

        With `warning`, a code like `low_confidence`, only those whose result carries it.
        """
        return _items(
            self._carry_out,
            lambda at: self._plans.images(self.batch_id, at, boxes=boxes, warning=warning),
        )

    def get(self, timeout: float | None = None, *, propagate: bool = True) -> list[Image]:
        """Wait as `wait` does, then all images with what they say.

        Raises NotAllRead if some were not read, unless `propagate` is False.
        """
        self.wait(timeout)
        images = list(self.images())
        return only_read(self.batch_id, images) if propagate else images

    def export(
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
        return self._carry_out(
            self._plans.export(self.batch_id, export_format, files, image_path, to)
        )

    def cancel(self) -> None:
        """Cancel what is not finished of it."""
        self._carry_out(self._plans.cancel(self.batch_id))

    def retry(self, *, include_no_text: bool = False) -> None:
        """Read its failed and cancelled images again, those without text only if asked to."""
        self._retried |= self._carry_out(
            self._plans.retry(self.batch_id, include_no_text=include_no_text)
        )


def _items(
    carry_out: Callable[[Plan[Any]], Any], page_at: Callable[[str | None], Plan[Page[ItemT]]]
) -> Iterator[ItemT]:
    cursor: str | None = None
    while True:
        page: Page[ItemT] = carry_out(page_at(cursor))
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
