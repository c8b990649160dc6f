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
_LETTERS_AT_ONCE = 100
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


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be applied; topic, partition and offset are those it first had.

    `state`: open, redriven or dropped. Chain and batch are those that it names, if it does.
    """

    id: int
    state: str
    topic: str
    partition: int
    offset: int
    timestamp: str
    reason: str
    error: str
    chain_id: str | None
    batch_id: str | None
    redrives: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """What the recorder's API tells of it."""
        return cls(**{field.name: item[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class NotDone:
    """A dead letter that it was not done to, and why."""

    id: int
    detail: str


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
        return self._items(f"/v1/batches/{quote(batch_id, safe='')}/images", {})

    def image(self, image_path: str) -> dict[str, Any]:
        """The newest result of an image path, with its text boxes."""
        return self._get("/v1/images", {"image_path": image_path})

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
        given = {name: value for name, value in filters.items() if value is not None}
        return map(DeadLetter.of, self._items("/v1/dead-letters", given))

    def dead_letter(self, letter_id: int) -> dict[str, Any]:
        """A dead letter with its record's key, value and headers."""
        return self._get(f"/v1/dead-letters/{letter_id}")

    def redrive(
        self, letter_ids: Sequence[int], *, value: dict[str, Any] | None = None
    ) -> Iterator[NotDone]:
        """Send dead letters to their topics again; gives those that cannot be, as it goes on.

        `value`: what to send instead of the only one of them.
        """
        more = {} if value is None else {"value": value}
        return self._change("redrive", letter_ids, more)

    def drop(self, letter_ids: Sequence[int]) -> Iterator[NotDone]:
        """Mark dead letters as dropped; gives those that cannot be, as it goes on."""
        return self._change("drop", letter_ids, {})

    def _change(
        self, action: str, letter_ids: Sequence[int], more: dict[str, Any]
    ) -> Iterator[NotDone]:
        url = f"{self._addresses.recorder_url}/v1/dead-letters/{action}"
        for start in range(0, len(letter_ids), _LETTERS_AT_ONCE):
            body = {"ids": letter_ids[start : start + _LETTERS_AT_ONCE], **more}
            answer = self._insist(lambda body=body: self._http.post(url, json=body)).json()
            yield from (NotDone(**failure) for failure in answer["failures"])

    def _items(self, path: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            place = {"cursor": cursor} if cursor else {}
            page = self._get(path, {"limit": _PAGE_SIZE, **parameters, **place})
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

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
