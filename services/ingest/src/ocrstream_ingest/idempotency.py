"""What became of requests with an `Idempotency-Key`, kept as files that all replicas see.

The first attempt fixes the ids in a file that is only ever created; every further attempt takes
them from there, so what it publishes counts once with what the first one did. A finished attempt's
file holds the answer, and nothing is published again.
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
from typing import Annotated, Any

import msgspec
from fastapi import Header

from ocrstream_ingest.durable import write_new, write_over
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_runtime.problems import Problem

FOLDER = ".idempotency"
_SHELVES = 256
_SWEEP_PAUSE_S = 10.0

IDEMPOTENCY_KEY = "Idempotency-Key"

Key = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a repeat of the request harmless: the same key and body gives the same"
        " answer, and nothing twice",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


STREAM = "stream"
"""Stands for the fingerprint of a body that is still being read."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ids` are what all attempts share; `fingerprint` is of path and body, or STREAM.

    `answer` is what a finished one was answered with, as JSON.
    """

    ids: dict[str, Any]
    begun_at: datetime
    fingerprint: str
    answer: str | None = None


class Attempts:
    """The attempts under `root`, remembered for `keep_s`."""

    def __init__(self, root: Path, keep_s: float) -> None:
        self._folder = root / FOLDER
        self._keep_s = keep_s

    async def find(self, key: str | None, fingerprint: str | None) -> Attempt | None:
        """The attempt under this key; None if there is none, or no key.

        Raises Problem: 422 if it was another request's, but not if `fingerprint` is None; 507 if
        the disk fails.
        """
        if key is None:
            return None
        with _on_the_disk("nothing was published"):
            return await asyncio.to_thread(self._read, self._path(key), fingerprint)

    async def begin(self, key: str | None, attempt: Attempt) -> None:
        """Keep a new attempt, on the disk before this returns.

        Raises Problem: 409 if another request with this key began at the same moment, 507 if the
        disk is full or fails.
        """
        if key is None:
            return
        content = msgspec.json.encode(attempt)
        with _on_the_disk("nothing was published"):
            begun = await asyncio.to_thread(write_new, self._path(key), content)
        if not begun:
            raise Problem(
                409,
                "The same request is under way",
                "Another request with this Idempotency-Key began at the same moment; send it again"
                " to get its answer",
                headers={"Retry-After": "1"},
            )

    async def finish(
        self, key: str | None, attempt: Attempt, fingerprint: str, answer: str
    ) -> None:
        """Keep the answer. Raises Problem (507) if the disk is full or fails."""
        if key is None:
            return
        done = Attempt(attempt.ids, attempt.begun_at, fingerprint, answer)
        with _on_the_disk("all of it was published, and counts once however often it is sent"):
            await asyncio.to_thread(write_over, self._path(key), msgspec.json.encode(done))

    async def sweep(self, stop: asyncio.Event) -> None:
        """Deletes expired attempts until `stop` is set, one folder of them a round."""
        # Each replica begins with another folder.
        first = random.randrange(_SHELVES)  # noqa: S311 - no secret
        shelves = cycle([*range(first, _SHELVES), *range(first)])

        async def run_round() -> None:
            await asyncio.to_thread(self._forget, self._folder / f"{next(shelves):02x}")

        loop = BackgroundLoop(
            "idempotency key cleanup", run_round, interval_s=_SWEEP_PAUSE_S, retry_on=(OSError,)
        )
        await loop.run(stop)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _read(self, path: Path, fingerprint: str | None) -> Attempt | None:
        try:
            content = path.read_bytes()
            old = time.time() - path.stat().st_mtime > self._keep_s
        except FileNotFoundError:
            return None
        if old:
            path.unlink(missing_ok=True)
            return None
        attempt = msgspec.json.decode(content, type=Attempt)
        if fingerprint is not None:
            require_same(attempt, fingerprint)
        return attempt

    def _forget(self, shelf: Path) -> None:
        if not shelf.is_dir():
            return
        for path in shelf.iterdir():
            try:
                if time.time() - path.stat().st_mtime > self._keep_s:
                    path.unlink()
            except FileNotFoundError:
                continue  # another replica was here


def new_attempt(fingerprint: str, **ids: Any) -> Attempt:
    """An attempt that begins now."""
    return Attempt(ids, datetime.now(UTC), fingerprint)


@contextmanager
def _on_the_disk(done: str) -> Generator[None]:
    """Raises Problem (507), which tells what was done by then, if the disk is full or fails."""
    try:
        yield
    except OSError as error:
        raise Problem(
            507,
            "Request not kept",
            f"The Idempotency-Key could not be kept: {error.strerror or error}; {done}. Send the"
            " same again under the same key",
            headers={"Retry-After": "30"},
        ) from error


def require_same(attempt: Attempt, fingerprint: str) -> None:
    """Raises Problem (422) unless the attempt was for this very request."""
    if attempt.fingerprint != fingerprint:
        raise Problem(
            422,
            "Idempotency-Key used for another request",
            "The key came before with another path or body; take a new key for a new request",
        )


def fingerprint_of(path: str, *parts: bytes) -> str:
    """What tells one request from another; no two lists of parts have the same."""
    digest = hashlib.sha256(path.encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
