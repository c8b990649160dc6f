"""Plans of all operations: the requests to ingest and the recorder, and their results."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from ocrstream_client.addresses import Addresses
from ocrstream_client.errors import (
    ImagesFailedError,
    RefusedError,
    UnreachableError,
    WaitTimeoutError,
)
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
from ocrstream_client.retrying import TEMPORARY_STATUSES, retry
from ocrstream_client.submission import Submission
from ocrstream_client.submission_plan import FileRefused, ImagesDone, submit_plan
from ocrstream_client.transport import Download, Gather, HttpRequest, Pause, Plan

ItemT = TypeVar("ItemT")

ReprocessingSeen = Callable[[Reprocessing], None]
"""Called with how far a reprocessing is, each time it was asked."""

BatchSeen = Callable[[BatchStatus], None]
"""A callback with the batch's status after each poll."""

IndexBehind = Callable[[int], None]
"""A callback with the number of images whose newest result the search index lacks."""

_PAGE_SIZE = 200
_SEARCH_PAGE_SIZE = 50
_MAX_PAGE_SIZE = 1000
_CHAINS_PER_POLL = 32
_DEAD_LETTERS_PER_REQUEST = 100
_MIN_POLL_INTERVAL_S, _MAX_POLL_INTERVAL_S = 0.1, 1.0
_UNAVAILABLE_TIMEOUT_S = 30.0
"""How long the recorder may be away, or not know the batch yet, during a wait."""


@dataclass(frozen=True)
class Page(Generic[ItemT]):
    """A page of a list, and the cursor of the next page; None at the end."""

    items: list[ItemT]
    next_cursor: str | None


class Plans:
    """The plans of all operations.

    Each raises UnreachableError if a service does not answer, RefusedError if it refuses.
    """

    def __init__(self, addresses: Addresses) -> None:
        self._ingest = addresses.ingest_url
        self._recorder = addresses.recorder_url

    # ---- submitting ------------------------------------------------------------------------------

    def submit(
        self,
        batch_id: str,
        submission: Submission,
        *,
        batch_name: str | None,
        options: Mapping[str, Any] | None,
        pdf_password: str | None,
        on_progress: ImagesDone,
        on_refused: FileRefused,
    ) -> Plan[None]:
        """Submits all parts as one batch; ends when the broker has all of them."""
        description: dict[str, Any] = {}
        if batch_name is not None:
            description["batch_name"] = batch_name
        if options:
            description["options"] = dict(options)
        return submit_plan(
            self._ingest,
            batch_id,
            submission,
            description=description,
            pdf_password=pdf_password,
            on_progress=on_progress,
            on_refused=on_refused,
        )

    def cancel(self, batch_id: str) -> Plan[None]:
        """Cancels the unfinished images of a batch."""
        yield from self._post(f"/v1/batches/{_quoted(batch_id)}/cancel", {})

    def retry(self, batch_id: str, *, include_no_text: bool) -> Plan[dict[str, int]]:
        """Retries failed and cancelled images; returns the present run of each, by chain id."""
        runs = yield from self._runs_to_retry(batch_id, include_no_text)
        body = {"include_no_text": include_no_text}
        yield from self._post(f"/v1/batches/{_quoted(batch_id)}/retry", body)
        return runs

    def _runs_to_retry(self, batch_id: str, include_no_text: bool) -> Plan[dict[str, int]]:
        batch = yield from self.status(batch_id)
        runs: dict[str, int] = {}
        if batch.all_read:
            return runs
        path = f"/v1/batches/{_quoted(batch_id)}/images"
        cursor: str | None = None
        while True:
            page = yield self._get(path, limit=_MAX_PAGE_SIZE, cursor=cursor)
            for row in page["items"]:
                # A cancelled batch ends while its cancelled images keep their status.
                unread = row["status"] in {"FAILURE", "REVOKED"} or (
                    batch.ended and row["status"] != "SUCCESS"
                )
                excluded = row["reason"] == "no_text" and not include_no_text
                if unread and not excluded and row["image_path"] is not None and row["run"] > 0:
                    runs[row["chain_id"]] = row["run"]
            cursor = page["next_cursor"]
            if cursor is None:
                return runs

    def _post(self, path: str, body: dict[str, Any]) -> Plan[Any]:
        url = self._ingest + path
        request = HttpRequest("POST", url, body=body, headers=_idempotency_key())
        return (yield from retry(request))

    # ---- reading ---------------------------------------------------------------------------------

    def status(self, batch_id: str) -> Plan[BatchStatus]:
        """Returns the status of a batch."""
        return BatchStatus.from_json((yield self._get(f"/v1/batches/{_quoted(batch_id)}")))

    def batches(
        self, filters: Mapping[str, str | None], cursor: str | None
    ) -> Plan[Page[BatchStatus]]:
        """Returns a page of batches, the newest first."""
        page = yield self._get("/v1/batches", limit=_PAGE_SIZE, cursor=cursor, **filters)
        return Page([BatchStatus.from_json(item) for item in page["items"]], page["next_cursor"])

    def failures(self, batch_id: str, examples: int) -> Plan[list[FailureGroup]]:
        """Returns why images of a batch were not read, the commonest reason first."""
        page = yield self._get(f"/v1/batches/{_quoted(batch_id)}/failures", examples=examples)
        return [FailureGroup.from_json(item) for item in page["items"]]

    def wait(
        self,
        batch_id: str,
        timeout_s: float | None,
        on_progress: BatchSeen,
        retried: dict[str, int] | None = None,
    ) -> Plan[BatchStatus]:
        """Returns the batch's status once it has ended. Raises WaitTimeoutError.

        `retried` maps chain ids to runs. The plan waits until each of these chains has a later run,
        and removes it from `retried`; only then the batch's status includes the retry.
        """
        awaited = {} if retried is None else retried
        seems_ended = True

        def poll() -> Plan[BatchStatus]:
            nonlocal seems_ended
            if awaited and seems_ended:
                yield from self._remove_begun(awaited)
            status = yield from self.status(batch_id)
            seems_ended = status.ended
            return status

        def report(status: BatchStatus) -> None:
            if not (awaited and status.ended):
                on_progress(status)

        batch = yield from _poll_until(
            poll, lambda status: status.ended and not awaited, report, timeout_s
        )
        if batch is None or not batch.ended or awaited:
            raise WaitTimeoutError(_wait_timeout(batch_id, timeout_s, batch), batch)
        return batch

    def _remove_begun(self, awaited: dict[str, int]) -> Plan[None]:
        while awaited:
            chain_ids = list(islice(awaited, _CHAINS_PER_POLL))
            chains = yield Gather([self._chain(chain_id) for chain_id in chain_ids])
            begun = [
                chain["chain_id"]
                for chain in chains
                # The recorder does not retry a chain that succeeded late, before the retry.
                if chain["run"] > awaited[chain["chain_id"]] or chain["status"] == "SUCCESS"
            ]
            for chain_id in begun:
                del awaited[chain_id]
            if len(begun) < len(chain_ids):
                return

    def _chain(self, chain_id: str) -> Plan[dict[str, Any]]:
        return (yield self._get(f"/v1/chains/{_quoted(chain_id)}"))

    def images(
        self,
        batch_id: str,
        cursor: str | None,
        *,
        boxes: bool,
        warning: str | None,
        status: str | None,
    ) -> Plan[Page[Image]]:
        """Returns a page of a batch's images, in order; with `boxes` also the text of each.

        With `warning` or `status`, only the images that have it.
        """
        path = f"/v1/batches/{_quoted(batch_id)}/images"
        page = yield self._get(
            path, limit=_PAGE_SIZE, cursor=cursor, warning=warning, status=status
        )
        rows: list[dict[str, Any]] = page["items"]
        results = (yield Gather([self._result(row) for row in rows])) if boxes else [{}] * len(rows)
        items = [Image.from_json(row, result) for row, result in zip(rows, results, strict=True)]
        return Page(items, page["next_cursor"])

    def _result(self, row: Mapping[str, Any]) -> Plan[dict[str, Any]]:
        if row["status"] != "SUCCESS" or row["image_path"] is None:
            return {}
        return (yield self._get("/v1/images", image_path=row["image_path"]))

    def export(
        self,
        batch_id: str,
        export_format: str,
        files: Sequence[str],
        image_path: str | None,
        on_chunk: Callable[[bytes], object],
    ) -> Plan[int]:
        """Passes the chunks of an export, of a batch or an image, to `on_chunk`;

        returns their size.
        """
        parameters: dict[str, Any] = {"format": export_format}
        path = f"/v1/batches/{_quoted(batch_id)}/export"
        if image_path is not None:
            path = "/v1/images/export"
            parameters["image_path"] = image_path
        elif files:
            parameters["files"] = list(files)
        return (yield Download(self._recorder + path, parameters, on_chunk))

    def search(
        self, text: str, filters: Mapping[str, Any], cursor: str | None, on_behind: IndexBehind
    ) -> Plan[Page[SearchHit]]:
        """Returns a page of images that contain the text, the newest first."""
        parameters = {"q": text, "limit": _SEARCH_PAGE_SIZE, "cursor": cursor, **filters}
        page = yield self._get("/v1/search", **parameters)
        if page["index"]["waiting_images"]:
            on_behind(page["index"]["waiting_images"])
        return Page([SearchHit.from_json(item) for item in page["items"]], page["next_cursor"])

    def _get(self, path: str, **parameters: Any) -> HttpRequest:
        given = {name: value for name, value in parameters.items() if value is not None}
        return HttpRequest("GET", self._recorder + path, parameters=given)

    # ---- reprocessing ----------------------------------------------------------------------------

    def count_reprocessing(self, batch_id: str | None, where: str | None) -> Plan[Selected]:
        """What a reprocessing would send now."""
        url = f"{self._recorder}/v1/reprocessings/count"
        response = yield HttpRequest("POST", url, body=_selection(batch_id, where))
        return Selected.from_json(response)

    def reprocess(
        self, batch_id: str | None, where: str | None, lane: str | None
    ) -> Plan[Reprocessing]:
        """Reprocess images; done when the recorder has noted it."""
        body = {**_selection(batch_id, where), "lane": lane, "request_id": str(uuid4())}
        response = yield from retry(
            HttpRequest("POST", f"{self._recorder}/v1/reprocessings", body=body)
        )
        return Reprocessing.from_json(response)

    def reprocessing_status(self, request_id: str) -> Plan[Reprocessing]:
        """How far a reprocessing is."""
        return Reprocessing.from_json((yield self._get(f"/v1/reprocessings/{_quoted(request_id)}")))

    def wait_reprocessing(
        self, request_id: str, on_progress: ReprocessingSeen
    ) -> Plan[Reprocessing]:
        """The reprocessing once all of its images have an outcome."""
        seen = yield from _poll_until(
            lambda: self.reprocessing_status(request_id), lambda seen: seen.ended, on_progress, None
        )
        assert seen is not None  # noqa: S101 (without a timeout it was seen to end)
        return seen

    def result_versions(
        self, batch_id: str | None, image_path: str | None, cursor: str | None
    ) -> Plan[Page[ResultVersions]]:
        """Some of what images of a batch, or else one image, said before and after."""
        path = (
            "/v1/result-versions"
            if batch_id is None
            else f"/v1/batches/{_quoted(batch_id)}/result-versions"
        )
        page = yield self._get(path, image_path=image_path, cursor=cursor)
        return Page([ResultVersions.from_json(item) for item in page["items"]], page["next_cursor"])

    # ---- dead letters ----------------------------------------------------------------------------

    def dead_letters(
        self, filters: Mapping[str, str | None], cursor: str | None
    ) -> Plan[Page[DeadLetter]]:
        """Returns a page of dead letters, the newest first."""
        page = yield self._get("/v1/dead-letters", limit=_PAGE_SIZE, cursor=cursor, **filters)
        return Page([DeadLetter.from_json(item) for item in page["items"]], page["next_cursor"])

    def dead_letter(self, letter_id: int) -> Plan[dict[str, Any]]:
        """Returns a dead letter with its record's key, value and headers."""
        return (yield self._get(f"/v1/dead-letters/{letter_id}"))

    def change_letters(
        self, action: str, letter_ids: Sequence[int], more: Mapping[str, Any]
    ) -> Plan[list[NotDone]]:
        """Redrives or drops dead letters; returns those that were not changed."""
        url = f"{self._recorder}/v1/dead-letters/{action}"
        not_done: list[NotDone] = []
        for start in range(0, len(letter_ids), _DEAD_LETTERS_PER_REQUEST):
            body = {"ids": letter_ids[start : start + _DEAD_LETTERS_PER_REQUEST], **more}
            response = yield from retry(HttpRequest("POST", url, body=body))
            not_done += map(NotDone.from_json, response["failures"])
        return not_done

    # ---- workers and health ----------------------------------------------------------------------

    def workers(self) -> Plan[list[Worker]]:
        """Returns the known workers, those alive first."""
        return [Worker.from_json(item) for item in (yield self._get("/v1/workers"))["items"]]

    def readiness(self, url: str) -> Plan[Readiness]:
        """Returns what the service at `url` reports about itself."""
        status = 200
        try:
            response = yield HttpRequest("GET", f"{url}/readyz")
        except RefusedError as error:
            if error.status != 503 or not isinstance(error.document, dict):
                raise
            status, response = error.status, error.document
        try:
            return Readiness.from_json(response)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusedError(f"{url} is not a service of Ocrstream", status) from error


def require_all_read(batch_id: str, images: list[Image]) -> list[Image]:
    """Returns the images if all were read. Raises ImagesFailedError otherwise."""
    failed = [image for image in images if not image.read]
    if failed:
        first = failed[0]
        reason = f"{first.source_name or first.image_path}: {first.reason}: {first.error}"
        raise ImagesFailedError(
            f"{len(failed)} of {len(images)} images of batch {batch_id} were not read; {reason}",
            images,
        )
    return images


def _poll_until(
    poll: Callable[[], Plan[ItemT]],
    has_ended: Callable[[ItemT], bool],
    on_poll: Callable[[ItemT], None],
    timeout_s: float | None,
) -> Plan[ItemT | None]:
    """Polls until `has_ended` or the timeout; returns the last result, None if there was none."""
    pause_s = _MIN_POLL_INTERVAL_S
    began = answered_at = time.monotonic()
    last: ItemT | None = None
    while True:
        try:
            last = yield from poll()
        except (UnreachableError, RefusedError) as error:
            temporary = isinstance(error, UnreachableError) or error.status in {
                404,
                *TEMPORARY_STATUSES,
            }
            if not temporary or time.monotonic() - answered_at > _UNAVAILABLE_TIMEOUT_S:
                raise
        else:
            answered_at = time.monotonic()
            on_poll(last)
            if has_ended(last):
                return last
        remaining_s = _MAX_POLL_INTERVAL_S
        if timeout_s is not None:
            remaining_s = began + timeout_s - time.monotonic()
            if remaining_s <= 0:
                return last
        yield Pause(min(pause_s, remaining_s))
        pause_s = min(1.3 * pause_s, _MAX_POLL_INTERVAL_S)


def _selection(batch_id: str | None, where: str | None) -> dict[str, Any]:
    return {"where": where} | ({"all": True} if batch_id is None else {"batch_id": batch_id})


def _idempotency_key() -> dict[str, str]:
    # Ingest recognizes the repeats of a request by its key.
    return {"Idempotency-Key": str(uuid4())}


def _wait_timeout(batch_id: str, timeout_s: float | None, batch: BatchStatus | None) -> str:
    progress = "its status is unknown" if batch is None else f"{batch.progress:.0f} % are done"
    return f"Batch {batch_id} has not ended within {timeout_s:g} s: {progress}. It continues"


def _quoted(batch_id: str) -> str:
    return quote(batch_id, safe="")
