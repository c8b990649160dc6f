"""A cache of results by content, for images submitted with `options.reuse`.

The key is a hash of everything that determines a result: the file's bytes, the engine with its
versions and settings, the decoder's limits, and the image's recognition options.
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
from ocrstream_worker.recognition_options import recognition_options

logger = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Each format of the stored results has its own folder.
_FOLDER = "v1"
# A larger result does not fit into its topic, so it is never published.
_MAX_BYTES = TOPICS[OCR_RESULTS].max_message_bytes
# Settings that do not affect a result; all others are assumed to.
_NEUTRAL_SETTINGS = {
    *("allow_cpu", "batch_size", "device", "fetch_models", "model_folder", "threads"),
    *("image_timeout_s", "noop_image_s", "start_timeout_s"),
}

_results = msgspec.json.Decoder(Recognition)


def configuration_digest(info: EngineInfo, settings: EngineSettings, limits: DecodeLimits) -> bytes:
    """A digest of all that determines a result, except for the file and its options.

    It includes the limits, because a cached result was within them.
    """
    relevant: dict[str, Any] = msgspec.to_builtins(settings)
    for name in _NEUTRAL_SETTINGS:
        del relevant[name]
    versions = {name: version(name) for name in ("ocrstream-worker", "pillow")}
    encoded = msgspec.json.encode([info, relevant, limits, versions], order="sorted")
    return hashlib.sha256(encoded).digest()


class ResultCache:
    """Results in the folder `root`, which workers share; file access runs on `threads`."""

    def __init__(self, root: Path, configuration: bytes, threads: Executor) -> None:
        self._root = root.resolve()
        self._configuration = configuration
        self._threads = threads

    async def key(self, image: ImageSubmitted, content: bytes) -> str | None:
        """The key of the image's result; None if the image is submitted without reuse.

        Raises PermanentImageError if the option is neither true nor false.
        """
        requested = (image.options or {}).get("reuse")
        if not isinstance(requested, bool | None):
            raise PermanentImageError(
                Reason.REFUSED, f"options.reuse must be true or false, not {requested!r:.100}"
            )
        return (
            await self._run_in_thread(self._key, recognition_options(image), content)
            if requested
            else None
        )

    async def get(self, key: str | None) -> Recognition | None:
        """The cached result, or None; its provenance says `reused`."""
        return None if key is None else await self._run_in_thread(self._load, key)

    async def put(self, key: str | None, outcome: RecognitionOutcome) -> None:
        """Stores a result. Errors are only logged: they cost one more recognition at most."""
        if key is not None and isinstance(outcome, Recognition):
            await self._run_in_thread(self._save, key, outcome)

    async def _run_in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(call, *args, **kwargs))

    def _key(self, options: RecognitionOptions, content: bytes) -> str:
        encoded_options = msgspec.json.encode(options, order="sorted")
        parts = (self._configuration, hashlib.sha256(content).digest(), encoded_options)
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def _load(self, key: str) -> Recognition | None:
        path = self._root / _object_path(key)
        try:
            with path.open("rb") as file:
                value = file.read(_MAX_BYTES + 1)
            # A truncated value is not valid JSON.
            found = _results.decode(value)
        except FileNotFoundError:
            metrics.REUSE.labels("missing").inc()
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            metrics.REUSE.labels("unreadable").inc()
            logger.warning("cannot read a cached result", path=str(path), error=str(error))
            return None
        metrics.REUSE.labels("found").inc()
        provenance = msgspec.structs.replace(found.provenance, reused=True)
        return msgspec.structs.replace(found, provenance=provenance)

    def _save(self, key: str, result: Recognition) -> None:
        value = msgspec.json.encode(result)
        if len(value) > _MAX_BYTES:
            return
        try:
            # Atomic. Two workers may store the same key: either result is valid.
            obstore.put(LocalStore(prefix=self._root, mkdir=True), _object_path(key), value)
        except (OSError, BaseError) as error:
            metrics.REUSE.labels("unwritable").inc()
            logger.warning("cannot cache the result", folder=str(self._root), error=str(error))


def _object_path(key: str) -> str:
    return f"{_FOLDER}/{key[:2]}/{key}.json"
