"""What to ask ingest and the recorder for, and what to make of their answers."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from ocrstream_client.addresses import Addresses
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
from ocrstream_client.errors import NotAllRead, NotEnded, Refused, Unreachable
from ocrstream_client.submission import Files, Prefix, References, Submission
from ocrstream_client.transport import Ask, Download, Pause, Plan, Together, Upload

ItemT = TypeVar("ItemT")

ImagesDone = Callable[[int], None]
"""Called with how many images were submitted more."""

ReprocessingSeen = Callable[[Reprocessing], None]
"""Called with how far a reprocessing is, each time it was asked."""

BatchSeen = Callable[[BatchStatus], None]
"""Called with how far a batch is, each time it was asked."""

IndexBehind = Callable[[int], None]
"""Called with how many images a search does not find yet as they are now."""

_PAGE_SIZE = 200
_HITS_AT_ONCE = 50
_LARGEST_PAGE = 1000
_CHAINS_AT_ONCE = 32
_LETTERS_AT_ONCE = 100
_ATTEMPTS = 5
_FIRST_POLL_S, _LONGEST_POLL_S = 0.1, 1.0
_LONGEST_RETRY_S = 30.0
_PATIENCE_S = 30.0
"""How long the recorder may be away, or know nothing of the batch yet, while it is waited for."""

_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Page(Generic[ItemT]):
    """Some items of a list, and where the next ones are; None at the end."""

    items: list[ItemT]
    next_cursor: str | None


class Plans:
    """Every plan raises Unreachable if a service does not answer, Refused if it says no."""

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
        on_progress: ImagesDone,
    ) -> Plan[None]:
        """Submit all parts as one batch; done when the system has all of them."""
        told: dict[str, Any] = {"batch_id": batch_id}
        if batch_name is not None:
            told["batch_name"] = batch_name
        if options:
            told["options"] = dict(options)
        if isinstance(submission.parts, Prefix):
            listed = {"prefix": submission.parts.prefix, "glob": submission.parts.pattern}
            answer = yield from self._post("/v1/batches", {**told, **listed})
            on_progress(answer["accepted_images"])
            return
        further_pages = 0
        for part in submission.parts:
            told["batch_total"] = (submission.total or 0) + further_pages
            if isinstance(part, Files):
                answer = yield from self._upload(part, told, part.first_index + further_pages)
                # A document is an image a page: what follows it moves up.
                further_pages += len(answer["images"]) - len(part.files)
                on_progress(len(part.files))
            else:
                images = _images(part, part.first_index + further_pages)
                yield from self._post("/v1/batches", {**told, "images": images})
                on_progress(len(part.references))

    def cancel(self, batch_id: str) -> Plan[None]:
        """Cancel what is not finished."""
        yield from self._post(f"/v1/batches/{_quoted(batch_id)}/cancel", {})

    def retry(self, batch_id: str, *, include_no_text: bool) -> Plan[dict[str, int]]:
        """Read the failed and cancelled images again; the run of each by now, by its chain."""
        runs = yield from self._to_be_retried(batch_id, include_no_text)
        body = {"include_no_text": include_no_text}
        yield from self._post(f"/v1/batches/{_quoted(batch_id)}/retry", body)
        return runs

    def _to_be_retried(self, batch_id: str, include_no_text: bool) -> Plan[dict[str, int]]:
        batch = yield from self.status(batch_id)
        runs: dict[str, int] = {}
        if batch.all_read:
            return runs
        path = f"/v1/batches/{_quoted(batch_id)}/images"
        cursor: str | None = None
        while True:
            page = yield self._read(path, limit=_LARGEST_PAGE, cursor=cursor)
            for row in page["items"]:
                # A cancel ends a batch, and leaves the images that it stops as they were.
                missed = row["status"] in {"FAILURE", "REVOKED"} or (
                    batch.ended and row["status"] != "SUCCESS"
                )
                left_out = row["reason"] == "no_text" and not include_no_text
                if missed and not left_out and row["image_path"] is not None and row["run"] > 0:
                    runs[row["chain_id"]] = row["run"]
            cursor = page["next_cursor"]
            if cursor is None:
                return runs

    def _upload(self, part: Files, told: Mapping[str, Any], first_index: int) -> Plan[Any]:
        form = {name: str(value) for name, value in told.items() if name != "options"}
        form |= {"first_index": str(first_index), "index_pages": "true"}
        if "options" in told:
            form["options"] = json.dumps(told["options"])
        url = f"{self._ingest}/v1/images"
        return (yield from _insist(Upload(url, form, part.files, _idempotency_key())))

    def _post(self, path: str, body: dict[str, Any]) -> Plan[Any]:
        url = self._ingest + path
        ask = Ask("POST", url, body=body, headers=_idempotency_key())
        return (yield from _insist(ask))

    # ---- reading ---------------------------------------------------------------------------------

    def status(self, batch_id: str) -> Plan[BatchStatus]:
        """How far a batch is."""
        return BatchStatus.of((yield self._read(f"/v1/batches/{_quoted(batch_id)}")))

    def wait(
        self,
        batch_id: str,
        timeout_s: float | None,
        on_progress: BatchSeen,
        retried: dict[str, int] | None = None,
    ) -> Plan[BatchStatus]:
        """The batch once it has ended; raises NotEnded if it has not in time.

        Chains in `retried` are waited for until they are in a later run than it says, and taken out
        of it: only then what is told of the batch tells of them, too.
        """
        awaited = {} if retried is None else retried
        seems_ended = True

        def look() -> Plan[BatchStatus]:
            nonlocal seems_ended
            if awaited and seems_ended:
                yield from self._take_out_begun(awaited)
            seen = yield from self.status(batch_id)
            seems_ended = seen.ended
            return seen

        def tell(seen: BatchStatus) -> None:
            if not (awaited and seen.ended):
                on_progress(seen)

        batch = yield from _until(look, lambda seen: seen.ended and not awaited, tell, timeout_s)
        if batch is None or not batch.ended or awaited:
            raise NotEnded(_not_ended(batch_id, timeout_s, batch), batch)
        return batch

    def _take_out_begun(self, awaited: dict[str, int]) -> Plan[None]:
        while awaited:
            some = list(islice(awaited, _CHAINS_AT_ONCE))
            told = yield Together([self._chain(chain_id) for chain_id in some])
            begun = [
                chain["chain_id"]
                for chain in told
                # One that succeeded late, before the retry came to it, is not retried.
                if chain["run"] > awaited[chain["chain_id"]] or chain["status"] == "SUCCESS"
            ]
            for chain_id in begun:
                del awaited[chain_id]
            if len(begun) < len(some):
                return

    def _chain(self, chain_id: str) -> Plan[dict[str, Any]]:
        return (yield self._read(f"/v1/chains/{_quoted(chain_id)}"))

    def images(
        self, batch_id: str, cursor: str | None, *, boxes: bool, warning: str | None
    ) -> Plan[Page[Image]]:
        """Some images of a batch, in their order; with `boxes` those that were read have theirs.

        With `warning`, only those whose result carries it.
        """
        path = f"/v1/batches/{_quoted(batch_id)}/images"
        page = yield self._read(path, limit=_PAGE_SIZE, cursor=cursor, warning=warning)
        rows: list[dict[str, Any]] = page["items"]
        told = (yield Together([self._result(row) for row in rows])) if boxes else [{}] * len(rows)
        items = [Image.of(row, found) for row, found in zip(rows, told, strict=True)]
        return Page(items, page["next_cursor"])

    def _result(self, row: Mapping[str, Any]) -> Plan[dict[str, Any]]:
        if row["status"] != "SUCCESS" or row["image_path"] is None:
            return {}
        return (yield self._read("/v1/images", image_path=row["image_path"]))

    def export(
        self,
        batch_id: str,
        export_format: str,
        files: Sequence[str],
        image_path: str | None,
        on_piece: Callable[[bytes], object],
    ) -> Plan[int]:
        """An export's bytes, as they come, of a batch or one of its images; how many they were."""
        parameters: dict[str, Any] = {"format": export_format}
        path = f"/v1/batches/{_quoted(batch_id)}/export"
        if image_path is not None:
            path = "/v1/images/export"
            parameters["image_path"] = image_path
        elif files:
            parameters["files"] = list(files)
        return (yield Download(self._recorder + path, parameters, on_piece))

    def search(
        self, text: str, filters: Mapping[str, Any], cursor: str | None, on_behind: IndexBehind
    ) -> Plan[Page[SearchHit]]:
        """Some images that have the text, the newest first."""
        asked = {"q": text, "limit": _HITS_AT_ONCE, "cursor": cursor, **filters}
        page = yield self._read("/v1/search", **asked)
        if page["index"]["waiting_images"]:
            on_behind(page["index"]["waiting_images"])
        return Page([SearchHit.of(item) for item in page["items"]], page["next_cursor"])

    def _read(self, path: str, **parameters: Any) -> Ask:
        given = {name: value for name, value in parameters.items() if value is not None}
        return Ask("GET", self._recorder + path, parameters=given)

    # ---- reprocessing ----------------------------------------------------------------------------

    def count_reprocessing(self, batch_id: str | None, where: str | None) -> Plan[Selected]:
        """What a reprocessing would send now."""
        url = f"{self._recorder}/v1/reprocessings/count"
        answer = yield Ask("POST", url, body=_selection(batch_id, where))
        return Selected.of(answer)

    def reprocess(
        self, batch_id: str | None, where: str | None, lane: str | None
    ) -> Plan[Reprocessing]:
        """Reprocess images; done when the recorder has noted it."""
        body = {**_selection(batch_id, where), "lane": lane, "request_id": str(uuid4())}
        answer = yield from _insist(Ask("POST", f"{self._recorder}/v1/reprocessings", body=body))
        return Reprocessing.of(answer)

    def reprocessing_status(self, request_id: str) -> Plan[Reprocessing]:
        """How far a reprocessing is."""
        return Reprocessing.of((yield self._read(f"/v1/reprocessings/{_quoted(request_id)}")))

    def wait_reprocessing(
        self, request_id: str, on_progress: ReprocessingSeen
    ) -> Plan[Reprocessing]:
        """The reprocessing once all of its images have an outcome."""
        seen = yield from _until(
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
        page = yield self._read(path, image_path=image_path, cursor=cursor)
        return Page([ResultVersions.of(item) for item in page["items"]], page["next_cursor"])

    # ---- dead letters ----------------------------------------------------------------------------

    def dead_letters(
        self, filters: Mapping[str, str | None], cursor: str | None
    ) -> Plan[Page[DeadLetter]]:
        """Some dead letters, the newest first."""
        page = yield self._read("/v1/dead-letters", limit=_PAGE_SIZE, cursor=cursor, **filters)
        return Page([DeadLetter.of(item) for item in page["items"]], page["next_cursor"])

    def dead_letter(self, letter_id: int) -> Plan[dict[str, Any]]:
        """A dead letter with its record's key, value and headers."""
        return (yield self._read(f"/v1/dead-letters/{letter_id}"))

    def change_letters(
        self, action: str, letter_ids: Sequence[int], more: Mapping[str, Any]
    ) -> Plan[list[NotDone]]:
        """Redrive or drop dead letters; those that it cannot be done to."""
        url = f"{self._recorder}/v1/dead-letters/{action}"
        not_done: list[NotDone] = []
        for start in range(0, len(letter_ids), _LETTERS_AT_ONCE):
            body = {"ids": letter_ids[start : start + _LETTERS_AT_ONCE], **more}
            answer = yield from _insist(Ask("POST", url, body=body))
            not_done += map(NotDone.of, answer["failures"])
        return not_done

    # ---- workers and health ----------------------------------------------------------------------

    def workers(self) -> Plan[list[Worker]]:
        """Workers that were heard of, those alive first."""
        return [Worker.of(item) for item in (yield self._read("/v1/workers"))["items"]]

    def troubles(self, url: str) -> Plan[dict[str, str]]:
        """What a service lacks to do its work, by check; empty if nothing."""
        try:
            answer = yield Ask("GET", f"{url}/readyz")
        except Refused as error:
            if error.status != 503 or not isinstance(error.document, dict):
                raise
            answer = error.document
        return answer["troubles"]


def only_read(batch_id: str, images: list[Image]) -> list[Image]:
    """The images, if all were read; raises NotAllRead if not."""
    failed = [image for image in images if not image.read]
    if failed:
        first = failed[0]
        why = f"{first.source_name or first.image_path}: {first.reason}: {first.error}"
        raise NotAllRead(
            f"{len(failed)} of {len(images)} images of batch {batch_id} were not read; {why}",
            images,
        )
    return images


def _images(part: References, first_index: int) -> list[dict[str, Any]]:
    return [
        {"image_path": reference, "index": index}
        for index, reference in enumerate(part.references, first_index)
    ]


def _insist(wish: Ask | Upload) -> Plan[Any]:
    """Repeat what is safe to repeat while ingest or the broker is away for a moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        pause_s = 0.5 * 2**attempt
        try:
            return (yield wish)
        except Unreachable:
            if attempt == _ATTEMPTS:
                raise
        except Refused as error:
            if error.status not in _PASSING or attempt == _ATTEMPTS:
                raise
            pause_s = min(max(pause_s, error.retry_after_s or 0), _LONGEST_RETRY_S)
        yield Pause(pause_s)
    raise AssertionError("the last attempt returns or raises")


def _until(
    look: Callable[[], Plan[ItemT]],
    ended: Callable[[ItemT], bool],
    on_seen: Callable[[ItemT], None],
    timeout_s: float | None,
) -> Plan[ItemT | None]:
    """What was seen last: what has ended, or after `timeout_s` whatever it was; None: nothing."""
    pause_s = _FIRST_POLL_S
    began = heard_at = time.monotonic()
    seen: ItemT | None = None
    while True:
        try:
            seen = yield from look()
        except (Unreachable, Refused) as error:
            passing = isinstance(error, Unreachable) or error.status in {404, *_PASSING}
            if not passing or time.monotonic() - heard_at > _PATIENCE_S:
                raise
        else:
            heard_at = time.monotonic()
            on_seen(seen)
            if ended(seen):
                return seen
        left_s = _LONGEST_POLL_S
        if timeout_s is not None:
            left_s = began + timeout_s - time.monotonic()
            if left_s <= 0:
                return seen
        yield Pause(min(pause_s, left_s))
        pause_s = min(1.3 * pause_s, _LONGEST_POLL_S)


def _selection(batch_id: str | None, where: str | None) -> dict[str, Any]:
    return {"where": where} | ({"all": True} if batch_id is None else {"batch_id": batch_id})


def _idempotency_key() -> dict[str, str]:
    # Made once for a request and its repeats, by which ingest knows them for one.
    return {"Idempotency-Key": str(uuid4())}


def _not_ended(batch_id: str, timeout_s: float | None, batch: BatchStatus | None) -> str:
    far = "nothing is known of it yet" if batch is None else f"{batch.progress:.0f} % are done"
    return f"Batch {batch_id} has not ended within {timeout_s:g} s: {far}. It goes on"


def _quoted(batch_id: str) -> str:
    return quote(batch_id, safe="")
