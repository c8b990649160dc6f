"""Requests with an `Idempotency-Key`, kept as files that all replicas share.

The first attempt stores its ids in a file that is created once; every later attempt publishes under
the same ids, so the events of all attempts count once. A finished attempt stores its response, and
a repeat returns that response and publishes nothing.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel

from ocrstream_ingest.fsync_files import create_file, replace_file
from ocrstream_ingest.responses import accepted_response
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.errors import ProblemError

FOLDER = ".idempotency"
_SUBFOLDERS = 256
_CLEANUP_INTERVAL_S = 10.0

IDEMPOTENCY_KEY = "Idempotency-Key"

_STREAM = "stream"
"""The stored fingerprint of a body that ingest has not read to its end."""


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file of a key holds.

    All attempts share `ids`. `fingerprint` is the hash of path and body. `response` is the JSON of
    the response once an attempt has finished.
    """

    ids: dict[str, Any]
    begun_at: datetime
    fingerprint: str
    response: str | None = None


class IdempotencyStore:
    """Stores attempts in files under `root` and deletes them after `keep_s` seconds."""

    def __init__(self, root: Path, keep_s: float) -> None:
        self._folder = root / FOLDER
        self._keep_s = keep_s

    async def find(self, key: str) -> AttemptRecord | None:
        """Returns the attempt with this key, if there is one. Raises ProblemError (507)."""
        with _disk_errors("ingest published nothing"):
            return await asyncio.to_thread(self._read, self._path(key))

    async def create(self, key: str, record: AttemptRecord) -> None:
        """Stores a first attempt durably.

        Raises ProblemError: 409 if another request stored one with this key at the same moment, 507
        if the disk is full or fails.
        """
        content = msgspec.json.encode(record)
        with _disk_errors("ingest published nothing"):
            created = await asyncio.to_thread(create_file, self._path(key), content)
        if not created:
            raise ProblemError(
                409,
                "The same request is in progress",
                "Another request with this Idempotency-Key began at the same moment; send the"
                " request again to get its response",
                headers={"Retry-After": "1"},
            )

    async def replace(self, key: str, record: AttemptRecord) -> None:
        """Stores the record of a finished attempt durably. Raises ProblemError (507)."""
        with _disk_errors("ingest published all events, which count once if you send them again"):
            await asyncio.to_thread(replace_file, self._path(key), msgspec.json.encode(record))

    async def delete_expired(self, stop: asyncio.Event) -> None:
        """Deletes expired attempts until `stop` is set, one subfolder a round."""
        # Each replica begins with another subfolder.
        first = random.randrange(_SUBFOLDERS)  # noqa: S311 - it keeps no secret
        numbers = cycle([*range(first, _SUBFOLDERS), *range(first)])

        async def run_round() -> None:
            await asyncio.to_thread(self._delete_expired, self._folder / f"{next(numbers):02x}")

        loop = BackgroundLoop(
            "idempotency key cleanup",
            run_round,
            interval_s=_CLEANUP_INTERVAL_S,
            retry_on=(OSError,),
        )
        await loop.run(stop)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _read(self, path: Path) -> AttemptRecord | None:
        try:
            content = path.read_bytes()
            expired = self._is_expired(path)
        except FileNotFoundError:
            return None
        if expired:
            path.unlink(missing_ok=True)
            return None
        return msgspec.json.decode(content, type=AttemptRecord)

    def _delete_expired(self, subfolder: Path) -> None:
        if not subfolder.is_dir():
            return
        for path in subfolder.iterdir():
            try:
                if self._is_expired(path):
                    path.unlink()
            except FileNotFoundError:
                continue  # another replica has deleted it

    def _is_expired(self, path: Path) -> bool:
        return time.time() - path.stat().st_mtime > self._keep_s


class IdempotentRequest:
    """A request and its `Idempotency-Key`; without a key every attempt at it is the first."""

    def __init__(self, store: IdempotencyStore, key: str | None, path: str) -> None:
        self._store = store
        self._key = key
        self._path = path

    async def attempt(self, content: bytes) -> "Attempt":
        """Returns this attempt, which continues an earlier one with the same key.

        Raises ProblemError: 422 if the earlier attempt had another path or content, 507 if the disk
        fails.
        """
        fingerprint = self.fingerprint_of(content)
        found = await self._find()
        if found is not None:
            _require_same(found.fingerprint, fingerprint)
        return Attempt(self, found, fingerprint)

    async def stream_attempt(self) -> "Attempt":
        """Returns this attempt at a request whose content is known only at the end of its body.

        Until then a repeat looks like any other request, so its events carry the ids of the first
        attempt, and count once. Raises ProblemError: 422 if the key belongs to a request that is
        not a stream, 507 if the disk fails.
        """
        found = await self._find()
        if found is not None and found.response is None:
            _require_same(found.fingerprint, _STREAM)
        return Attempt(self, found, _STREAM)

    async def create(self, record: AttemptRecord) -> None:
        """Stores a first attempt, if the request has a key. Raises ProblemError (409, 507)."""
        if self._key is not None:
            await self._store.create(self._key, record)

    async def replace(self, record: AttemptRecord) -> None:
        """Stores a finished attempt, if the request has a key. Raises ProblemError (507)."""
        if self._key is not None:
            await self._store.replace(self._key, record)

    def fingerprint_of(self, content: bytes) -> str:
        """Returns the hash that distinguishes this request from others with the same key."""
        digest = hashlib.sha256(self._path.encode())
        digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    async def _find(self) -> AttemptRecord | None:
        return None if self._key is None else await self._store.find(self._key)


class Attempt:
    """One attempt at a request; all attempts at it publish under the same ids and times.

    A handler returns `response` if an earlier attempt stored one. Otherwise it takes `ids`, adds
    those that are missing, calls `begin`, publishes, and calls `finish`.
    """

    def __init__(
        self, request: IdempotentRequest, found: AttemptRecord | None, fingerprint: str
    ) -> None:
        self.ids: dict[str, Any] = {} if found is None else found.ids
        self.begun_at = datetime.now(UTC) if found is None else found.begun_at
        self.response = None if found is None else found.response
        self._request = request
        self._found = found
        self._fingerprint = fingerprint

    def require_same_content(self, content: bytes) -> None:
        """Raises ProblemError (422) if the attempt that stored the response had other content."""
        if self._found is not None:
            _require_same(self._found.fingerprint, self._request.fingerprint_of(content))

    async def begin(self) -> None:
        """Stores the ids durably, unless an earlier attempt did. Raises ProblemError (409, 507)."""
        if self._found is None:
            record = AttemptRecord(self.ids, self.begun_at, self._fingerprint)
            await self._request.create(record)

    async def finish(self, response: BaseModel, *, content: bytes | None = None) -> Response:
        """Stores the response durably and returns it with status 202. Raises ProblemError (507).

        `content` is that of a stream, known by now.
        """
        if content is not None:
            self._fingerprint = self._request.fingerprint_of(content)
        body = response.model_dump_json()
        await self._request.replace(
            AttemptRecord(self.ids, self.begun_at, self._fingerprint, response=body)
        )
        return accepted_response(body)


@contextmanager
def _disk_errors(published: str) -> Generator[None]:
    """Translates OSError into ProblemError (507), which says what ingest has published by then."""
    try:
        yield
    except OSError as error:
        raise ProblemError(
            507,
            "Idempotency-Key not stored",
            f"The disk does not store the Idempotency-Key: {error.strerror or error}; {published}",
            headers={"Retry-After": "30"},
            remedy="Send the same request again with the same key",
        ) from error


def _require_same(stored_fingerprint: str, fingerprint: str) -> None:
    if stored_fingerprint != fingerprint:
        raise ProblemError(
            422,
            "Idempotency-Key belongs to another request",
            "An earlier request with this key had another path or body; use a new key for each"
            " request",
        )
