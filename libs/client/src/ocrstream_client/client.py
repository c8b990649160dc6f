"""The Python client: submit images, follow a batch, read results."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from ocrstream_client.addresses import Addresses
from ocrstream_client.errors import Refused, Unreachable

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})

_FILES_AT_ONCE = 50
_BYTES_AT_ONCE = 64 * 1024 * 1024
_REFERENCES_AT_ONCE = 1000
_PAGE_SIZE = 500
_ATTEMPTS = 4
_FIRST_POLL_S, _LONGEST_POLL_S = 0.1, 1.0

Progress = Callable[[int], None]
"""Called with how many images were submitted more."""


@dataclass(frozen=True)
class Batch:
    """A batch as the recorder tells it; `progress` is 0 to 100."""

    batch_id: str
    batch_name: str | None
    status: str
    progress: float
    total_known: bool
    total_images: int
    completed_images: int
    failed_images: int
    revoked_images: int

    @property
    def ended(self) -> bool:
        """Whether every image has an outcome."""
        return self.status in ENDED


class Client:
    """Speaks HTTP to ingest and the recorder.

    Every method raises Unreachable if the service does not answer, Refused if it says no.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._addresses = addresses
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=5.0), transport=transport
        )

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
        self._http.close()

    def submit_files(
        self,
        files: Sequence[Path],
        *,
        batch_name: str | None = None,
        on_progress: Progress = lambda _: None,
    ) -> str:
        """Upload files as one batch; returns its id when the system has all of them."""
        batch_id = str(uuid4())
        index = 0
        for group in _groups(files):
            form = {
                "batch_id": batch_id,
                "first_index": str(index),
                "batch_total": str(len(files)),
                **({"batch_name": batch_name} if batch_name is not None else {}),
            }
            self._upload(group, form)
            index += len(group)
            on_progress(len(group))
        return batch_id

    def submit_references(
        self,
        references: Sequence[str],
        *,
        batch_name: str | None = None,
        on_progress: Progress = lambda _: None,
    ) -> str:
        """Submit images where they are as one batch; returns its id when the system has them."""
        batch_id = str(uuid4())
        for start in range(0, len(references), _REFERENCES_AT_ONCE):
            group = references[start : start + _REFERENCES_AT_ONCE]
            body = {
                "batch_id": batch_id,
                "batch_name": batch_name,
                "batch_total": len(references),
                "images": [
                    {"image_path": reference, "index": start + place}
                    for place, reference in enumerate(group)
                ],
            }
            url = f"{self._addresses.ingest_url}/v1/batches"
            self._insist(lambda url=url, body=body: self._http.post(url, json=body))
            on_progress(len(group))
        return batch_id

    def batch(self, batch_id: str) -> Batch:
        """How far a batch is."""
        answer = self._get(f"/v1/batches/{quote(batch_id, safe='')}")
        return Batch(**{field.name: answer[field.name] for field in fields(Batch)})

    def wait(
        self,
        batch_id: str,
        *,
        on_progress: Callable[[Batch], None] = lambda _: None,
        patience_s: float = 30.0,
    ) -> Batch:
        """Wait until a batch has ended.

        `patience_s`: how long the recorder may be away, or know nothing of the batch yet.
        """
        pause_s = _FIRST_POLL_S
        heard_at = time.monotonic()
        while True:
            try:
                batch = self.batch(batch_id)
            except (Unreachable, Refused) as error:
                passing = isinstance(error, Unreachable) or error.status in {404, 503}
                if not passing or time.monotonic() - heard_at > patience_s:
                    raise
            else:
                heard_at = time.monotonic()
                on_progress(batch)
                if batch.ended:
                    return batch
            time.sleep(pause_s)
            pause_s = min(1.3 * pause_s, _LONGEST_POLL_S)

    def images(self, batch_id: str) -> Iterator[dict[str, Any]]:
        """A batch's images in their order, each with its outcome."""
        cursor: str | None = None
        while True:
            page = self._get(
                f"/v1/batches/{quote(batch_id, safe='')}/images",
                {"limit": _PAGE_SIZE, **({"cursor": cursor} if cursor else {})},
            )
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def image(self, image_path: str) -> dict[str, Any]:
        """The newest result of an image path, with its text boxes."""
        return self._get("/v1/images", {"image_path": image_path})

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        url = self._addresses.recorder_url + path
        return self._answer(lambda: self._http.get(url, params=parameters)).json()

    def _upload(self, files: Sequence[Path], form: dict[str, str]) -> None:
        def post() -> httpx.Response:
            with ExitStack() as opened:
                parts = [
                    ("files", (str(file), opened.enter_context(file.open("rb")))) for file in files
                ]
                url = f"{self._addresses.ingest_url}/v1/images"
                return self._http.post(url, data=form, files=parts)

        self._insist(post)

    def _insist(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        """Repeat what is safe to repeat while ingest or the broker is away for a moment."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._answer(request)
            except (Unreachable, Refused) as error:
                passing = isinstance(error, Unreachable) or error.status == 503
                if not passing or attempt == _ATTEMPTS:
                    raise
            time.sleep(0.5 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            response = request()
        except httpx.TransportError as error:
            url = error.request.url
            raise Unreachable(
                f"{url.scheme}://{url.netloc.decode()} does not answer"
                f" ({type(error).__name__}). Is the stack up? See: make status"
            ) from error
        if response.is_error:
            raise Refused(_problem(response), response.status_code)
        return response


def _groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size = 0
    for file in files:
        file_size = file.stat().st_size
        if group and (len(group) == _FILES_AT_ONCE or size + file_size > _BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(file)
        size += file_size
    if group:
        yield group


def _problem(response: httpx.Response) -> str:
    try:
        document = response.json()
        return f"{document['title']}: {document['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code} {response.reason_phrase}"
