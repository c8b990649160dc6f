"""Results by content: a file that was read once need not be read again.

A result is kept under the hash of all that it follows from: the file's bytes, the engine with its
versions and settings, how the file was decoded, and what the image's options ask for.
"""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec
import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from ocrstream_schemas.events import ImageSubmitted, Reason
from ocrstream_schemas.topics import OCR_RESULTS, TOPICS
from ocrstream_worker import metrics
from ocrstream_worker.decode import DecodeLimits
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    Recognition,
    RecognitionOptions,
    RecognitionOutcome,
)
from ocrstream_worker.errors import PermanentImageError
from ocrstream_worker.recognition_options import read_options

logger = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Another form of what is stored is another folder.
_FOLDER = "v1"
# What is larger is never published, so it is no result.
_MAX_BYTES = TOPICS[OCR_RESULTS].max_message_bytes
# Settings that change no result; of all others it is assumed.
_NEUTRAL_SETTINGS = {
    *("allow_cpu", "batch_size", "device", "fetch_models", "model_folder", "threads"),
    *("image_timeout_s", "noop_image_s", "start_timeout_s"),
}

_results = msgspec.json.Decoder(Recognition)


def configuration_digest(info: EngineInfo, settings: EngineSettings, limits: DecodeLimits) -> bytes:
    """A digest of what an image's result follows from, its file and options aside.

    The limits are part of it: a stored result was within them.
    """
    changing: dict[str, Any] = msgspec.to_builtins(settings)
    for name in _NEUTRAL_SETTINGS:
        del changing[name]
    versions = {name: version(name) for name in ("ocrstream-worker", "pillow")}
    whole = msgspec.json.encode([info, changing, limits, versions], order="sorted")
    return hashlib.sha256(whole).digest()


class ResultCache:
    """Stored results beneath `root`, which workers share; hashing and file access on `threads`."""

    def __init__(self, root: Path, basis: bytes, threads: Executor) -> None:
        self._root = root.resolve()
        self._basis = basis
        self._threads = threads

    async def key(self, image: ImageSubmitted, content: bytes) -> str | None:
        """What the image's result is stored under; None if the image does not ask for reuse.

        Raises PermanentImageError if the option is neither true nor false.
        """
        wanted = (image.options or {}).get("reuse")
        if not isinstance(wanted, bool | None):
            raise PermanentImageError(
                Reason.REFUSED, f"options.reuse must be true or false, not {wanted!r:.100}"
            )
        return await self._threaded(self._key, read_options(image), content) if wanted else None

    async def find(self, key: str | None) -> Recognition | None:
        """The stored result, if there is one that can be read; its provenance says `reused`."""
        return None if key is None else await self._threaded(self._load, key)

    async def keep(self, key: str | None, outcome: RecognitionOutcome) -> None:
        """Store a result. Trouble is logged: it costs no more than reading the file again."""
        if key is not None and isinstance(outcome, Recognition):
            await self._threaded(self._save, key, outcome)

    async def _threaded(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(call, *args, **kwargs))

    def _key(self, options: RecognitionOptions, content: bytes) -> str:
        asked = msgspec.json.encode(options, order="sorted")
        parts = (self._basis, hashlib.sha256(content).digest(), asked)
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def _load(self, key: str) -> Recognition | None:
        path = self._root / _place(key)
        try:
            with path.open("rb") as file:
                value = file.read(_MAX_BYTES + 1)
            # One that is cut here is no JSON.
            found = _results.decode(value)
        except FileNotFoundError:
            metrics.REUSE.labels("missing").inc()
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            metrics.REUSE.labels("unreadable").inc()
            logger.warning("stored result cannot be read", path=str(path), error=str(error))
            return None
        metrics.REUSE.labels("found").inc()
        provenance = msgspec.structs.replace(found.provenance, reused=True)
        return msgspec.structs.replace(found, provenance=provenance)

    def _save(self, key: str, result: Recognition) -> None:
        value = msgspec.json.encode(result)
        if len(value) > _MAX_BYTES:
            return
        try:
            # Written whole or not at all. Two workers may have read the same: either holds.
            obstore.put(LocalStore(prefix=self._root, mkdir=True), _place(key), value)
        except (OSError, BaseError) as error:
            metrics.REUSE.labels("unwritable").inc()
            logger.warning("result cannot be stored", folder=str(self._root), error=str(error))


def _place(key: str) -> str:
    return f"{_FOLDER}/{key[:2]}/{key}.json"
