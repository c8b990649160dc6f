"""What happens to one image: fetch, decode, recognise, publish; again if the trouble may pass."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError
from opentelemetry import trace

from ocrstream_runtime.kafka import RecordTooLarge
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool, write_bytes
from ocrstream_sandbox.wire import printable
from ocrstream_schemas.events import ImageSubmitted, OcrFailed, OcrSucceeded, Reason
from ocrstream_worker import metrics
from ocrstream_worker.engines.port import Recognition, RecognitionOptions, RecognitionOutcome
from ocrstream_worker.errors import BatchCancelledError, PermanentImageError, TransientImageError
from ocrstream_worker.recognition_options import read_options
from ocrstream_worker.references.port import Fetcher
from ocrstream_worker.result_cache import ResultCache
from ocrstream_worker.result_events import ImageAttempt, OutgoingEvent
from ocrstream_worker.revocations import Revocations

logger = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_TELL_AFTER_S = 1.0
_LONGEST_BACKOFF_S = 60.0


class Decodes(Protocol):
    """What `DecoderClient` offers."""

    async def decode(self, buffer: SharedBuffer, size: int) -> tuple[int, int]: ...


class Recognizes(Protocol):
    """What `EngineClient` offers."""

    async def recognize(
        self,
        buffer: SharedBuffer,
        height: int,
        width: int,
        options: RecognitionOptions,
        *,
        isolated: bool,
        on_started: Callable[[], None],
    ) -> RecognitionOutcome: ...


class Publishes(Protocol):
    """Where events go, as `KafkaPublisher` sends them."""

    async def publish(self, message: OutgoingEvent, chain_id: str) -> None: ...


class Rests(Protocol):
    """Where an image waits for its next attempt, as `Permit` has it."""

    async def rest(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class RetryPolicy:
    """`max_attempts` in all.

    The pause before the second is anything up to `backoff_s`, before each further one up to twice
    as much as before it, to a minute at most: whatever failed together is not tried again together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, full jitter).
    """

    max_attempts: int
    backoff_s: float

    def pause_s(self, attempt: int) -> float:
        """How long to wait after the attempt of this number."""
        longest_s = min(self.backoff_s * 2 ** (attempt - 1), _LONGEST_BACKOFF_S)
        return random.uniform(0, longest_s)  # noqa: S311 - nobody gains by guessing it


class Pipeline:
    """Takes images from submission to published outcome; any number at the same time.

    `references` give a file's bytes. From there on the image lies in a buffer of shared memory, in
    which `decoders` and `engine` find it; unless `reuse` has a result for the same bytes.
    """

    def __init__(
        self,
        *,
        references: Fetcher,
        reuse: ResultCache,
        buffers: SharedBufferPool,
        decoders: Decodes,
        engine: Recognizes,
        publisher: Publishes,
        revocations: Revocations,
        rule: RetryPolicy,
        worker: str,
    ) -> None:
        self._references = references
        self._reuse = reuse
        self._buffers = buffers
        self._decoders = decoders
        self._engine = engine
        self._publisher = publisher
        self._revocations = revocations
        self._rule = rule
        self._worker = worker

    async def process(self, image: ImageSubmitted, place: Rests) -> None:
        """Returns when the broker has the image's outcome.

        Raises ChildUnavailableError and KafkaError, which end the worker; cancelled, it leaves the
        image to whoever reads the record next.
        """
        attempt = ImageAttempt(image, 1, datetime.now(UTC), self._worker)
        alone = False
        while True:
            trouble: tuple[Reason, str] | None = None
            try:
                async with self._told_if_long(attempt):
                    message = await self._attempt(attempt, alone)
                break
            except (ChildUnavailableError, KafkaError):
                raise
            except ChildStarvedError:
                # No fault of the image, so the same attempt again; and less work in one go.
                alone = True
            except Exception as error:  # noqa: BLE001 - no image may take the worker down
                trouble = _trouble(error, image)
                # It may be what killed the process: its neighbours shall not pay for it again.
                alone = alone or isinstance(error, ChildDiedError)
            if trouble is not None and attempt.number == self._rule.max_attempts:
                message = attempt.failed(*trouble, datetime.now(UTC))
                break
            try:
                await self._rest_before_next(attempt, trouble, place)
            except BatchCancelledError:
                message = attempt.revoked(datetime.now(UTC))
                break
            if trouble is not None:
                attempt = ImageAttempt(image, attempt.number + 1, datetime.now(UTC), self._worker)
        await self._publish(attempt, message)

    async def _attempt(self, attempt: ImageAttempt, isolated: bool) -> OutgoingEvent:
        try:
            async with self._revocations.heed(attempt.image) as heed:
                # What the engine has begun is finished, and counts.
                recognized = await self._recognize(attempt.image, alone, heed.no_more)
        except BatchCancelledError:
            return attempt.revoked(datetime.now(UTC))
        except PermanentImageError as error:
            return attempt.failed(error.reason, str(error), datetime.now(UTC))
        if isinstance(recognized, Recognition):
            return attempt.recognized(recognized, datetime.now(UTC))
        return attempt.failed(Reason.ENGINE, recognized.error, datetime.now(UTC))

    async def _recognize(
        self, image: ImageSubmitted, isolated: bool, on_started: Callable[[], None]
    ) -> RecognitionOutcome:
        options = read_options(image)
        with await self._buffers.acquire() as buffer:
            with _stage("fetch"):
                file = await self._references.fetch(image.image_path)
                key = await self._reuse.key(image, file)
                stored = await self._reuse.find(key)
                if stored is not None:
                    return stored
                write_bytes(buffer.fd, file)
            with _stage("decode"):
                height, width = await self._decode(buffer, len(file))
            with _stage("recognize"):
                outcome = await self._engine.recognize(
                    buffer, height, width, options, isolated=alone, on_started=on_started
                )
        await self._reuse.keep(key, outcome)
        return outcome

    async def _decode(self, buffer: SharedBuffer, size: int) -> tuple[int, int]:
        try:
            return await self._decoders.decode(buffer, size)
        except ChildDiedError as error:
            reason = Reason.TIMEOUT if error.hung else Reason.UNDECODABLE
            raise TransientImageError(reason, str(error)) from error

    async def _publish(self, attempt: ImageAttempt, message: OutgoingEvent) -> None:
        chain_id = str(attempt.image.chain_id)
        with _stage("publish"):
            try:
                await self._publisher.publish(message, chain_id)
            except RecordTooLarge as error:
                text = f"The result does not fit into its topic: {error}"
                message = attempt.failed(Reason.TOO_LARGE, text, datetime.now(UTC))
                await self._publisher.publish(message, chain_id)
        _count(message)

    async def _rest_before_next(
        self, attempt: ImageAttempt, trouble: tuple[Reason, str] | None, place: Rests
    ) -> None:
        pause_s = self._rule.pause_s(attempt.number)
        if trouble is not None:
            reason, error = trouble
            metrics.RETRIES.labels(reason).inc()
            await self._inform(attempt, attempt.retried(reason, error, pause_s))
        async with self._revocations.heed(attempt.image):
            with _stage("rest"):
                await place.rest(pause_s)

    @asynccontextmanager
    async def _told_if_long(self, attempt: ImageAttempt) -> AsyncGenerator[None]:
        """Publish TaskStarted once the attempt has taken a second; most never do."""

        async def tell() -> None:
            await asyncio.sleep(_TELL_AFTER_S)
            await self._inform(attempt, attempt.started())

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()
            # Unlike `await telling`, this takes no cancel of our own for the one above.
            await asyncio.wait({telling})
        if not telling.cancelled():
            telling.result()

    async def _inform(self, attempt: ImageAttempt, message: OutgoingEvent) -> None:
        """Publish what is worth knowing but not needed: the outcome says all of it again."""
        try:
            await self._publisher.publish(message, str(attempt.image.chain_id))
        except RecordTooLarge as error:
            logger.warning("event left out", type=type(message.event).__name__, error=str(error))


def _trouble(error: Exception, image: ImageSubmitted) -> tuple[Reason, str]:
    """Reason and text of what may not happen the next time."""
    match error:
        case TransientImageError():
            return error.reason, str(error)
        case ChildDiedError():
            return Reason.ENGINE, str(error)
        case MemoryError():
            return Reason.ENGINE, "not enough memory for the image"
        case _:
            logger.exception("image failed unexpectedly", image_path=image.image_path)
            return Reason.ENGINE, printable(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _stage(stage: metrics.Stage) -> Generator[None]:
    began = time.perf_counter()
    metrics.STAGE_IMAGES.labels(stage).inc()
    try:
        with _tracer.start_as_current_span(stage):
            yield
    finally:
        metrics.STAGE_IMAGES.labels(stage).dec()
        metrics.STAGE_SECONDS.labels(stage).observe(time.perf_counter() - began)


def _count(message: OutgoingEvent) -> None:
    metrics.count_warnings(message.event)
    match message.event:
        case OcrSucceeded(boxes=boxes):
            metrics.IMAGES.labels("success").inc()
            metrics.BOXES.inc(len(boxes))
        case OcrFailed(reason=reason):
            metrics.IMAGES.labels(reason).inc()
        case _:
            metrics.IMAGES.labels(Reason.REVOKED).inc()
