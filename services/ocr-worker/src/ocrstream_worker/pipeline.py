"""Processes one image: fetch, decode, recognise, publish; with retries after transient failures."""

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
from msgspec.structs import replace
from opentelemetry import trace

from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.shared_buffers import SharedBuffer, SharedBufferPool, write_bytes
from ocrstream_sandbox.wire import printable
from ocrstream_schemas.events import ImageSubmitted, OcrFailed, OcrSucceeded, Reason, ResultWarning
from ocrstream_worker import metrics
from ocrstream_worker.decoder_server import DecodedImage
from ocrstream_worker.engines.port import Recognition, RecognitionOptions, RecognitionOutcome
from ocrstream_worker.errors import BatchCancelledError, PermanentImageError, TransientImageError
from ocrstream_worker.recognition_options import recognition_options
from ocrstream_worker.references.port import Fetcher
from ocrstream_worker.result_cache import ResultCache
from ocrstream_worker.result_events import ImageAttempt, OutgoingEvent
from ocrstream_worker.revocations import Revocations

logger = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_STARTED_EVENT_AFTER_S = 1.0
_LONGEST_BACKOFF_S = 60.0


class ImageDecoder(Protocol):
    """The port that `DecoderClient` implements."""

    async def decode(self, buffer: SharedBuffer, size: int) -> DecodedImage: ...


class ImageRecognizer(Protocol):
    """The port that `EngineClient` implements."""

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


class EventPublisher(Protocol):
    """The port that `KafkaPublisher` implements."""

    async def publish(self, outgoing: OutgoingEvent, chain_id: str) -> None: ...


class BackoffPermit(Protocol):
    """The port that `Permit` implements: an image backs off on it before a retry."""

    async def back_off(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class RetryPolicy:
    """At most `max_attempts` attempts, with exponential backoff and full jitter.

    The delay before the second attempt is random, up to `backoff_s`. The maximum doubles with each
    further attempt, to a minute at most, so images that failed together are not retried together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    max_attempts: int
    backoff_s: float

    def delay_s(self, attempt: int) -> float:
        """The delay after the attempt with this number."""
        max_delay_s = min(self.backoff_s * 2 ** (attempt - 1), _LONGEST_BACKOFF_S)
        return random.uniform(0, max_delay_s)  # noqa: S311 - nobody gains by guessing it


class Pipeline:
    """Processes images from submission to published outcome; any number at the same time.

    `fetcher` fetches a file's bytes. If `result_cache` has no result for the same bytes, the
    image lies in a buffer of shared memory from then on, where `decoders` and `engine` access it.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        result_cache: ResultCache,
        buffers: SharedBufferPool,
        decoders: ImageDecoder,
        engine: ImageRecognizer,
        publisher: EventPublisher,
        revocations: Revocations,
        retry_policy: RetryPolicy,
        worker: str,
    ) -> None:
        self._fetcher = fetcher
        self._result_cache = result_cache
        self._buffers = buffers
        self._decoders = decoders
        self._engine = engine
        self._publisher = publisher
        self._revocations = revocations
        self._retry_policy = retry_policy
        self._worker = worker

    async def process(self, image: ImageSubmitted, permit: BackoffPermit) -> None:
        """Processes an image; returns when the broker has its outcome.

        Raises ChildUnavailableError and KafkaError, after which the worker cannot continue. If
        cancelled, it leaves the image to whoever reads the record next.
        """
        attempt = ImageAttempt(image, 1, datetime.now(UTC), self._worker)
        isolated = False
        while True:
            failure: tuple[Reason, str] | None = None
            try:
                async with self._report_if_slow(attempt):
                    outgoing = await self._run_attempt(attempt, isolated)
                break
            except (ChildUnavailableError, KafkaError):
                raise
            except ChildStarvedError:
                # Not the image's fault: repeat the attempt, in a batch of its own.
                isolated = True
            except Exception as error:  # noqa: BLE001 - no image may take the worker down
                failure = classify_failure(error, image)
                # The image may have killed the process: keep it apart from the others in its batch.
                isolated = isolated or isinstance(error, ChildDiedError)
            if failure is not None and attempt.number == self._retry_policy.max_attempts:
                outgoing = attempt.failed_event(*failure, datetime.now(UTC))
                break
            try:
                await self._back_off_before_retry(attempt, failure, permit)
            except BatchCancelledError:
                outgoing = attempt.revoked_event(datetime.now(UTC))
                break
            if failure is not None:
                attempt = ImageAttempt(image, attempt.number + 1, datetime.now(UTC), self._worker)
        await self._publish(attempt, outgoing)

    async def _run_attempt(self, attempt: ImageAttempt, isolated: bool) -> OutgoingEvent:
        try:
            async with self._revocations.watch(attempt.image) as scope:
                # An image that the engine has started is finished and counts.
                outcome = await self._recognize(attempt.image, isolated, scope.shield)
        except BatchCancelledError:
            return attempt.revoked_event(datetime.now(UTC))
        except PermanentImageError as error:
            return attempt.failed_event(error.reason, str(error), datetime.now(UTC))
        if isinstance(outcome, Recognition):
            return attempt.recognized_event(outcome, datetime.now(UTC))
        return attempt.failed_event(Reason.ENGINE, outcome.error, datetime.now(UTC))

    async def _recognize(
        self, image: ImageSubmitted, isolated: bool, on_started: Callable[[], None]
    ) -> RecognitionOutcome:
        options = recognition_options(image)
        with await self._buffers.acquire() as buffer:
            with _stage("fetch"):
                file = await self._fetcher.fetch(image.image_path)
                key = await self._result_cache.key(image, file)
                cached = await self._result_cache.get(key)
                if cached is not None:
                    return cached
                write_bytes(buffer.fd, file)
            with _stage("decode"):
                decoded = await self._decode(buffer, len(file))
            with _stage("recognize"):
                outcome = await self._engine.recognize(
                    buffer,
                    decoded.height,
                    decoded.width,
                    options,
                    isolated=isolated,
                    on_started=on_started,
                )
        outcome = _add_warnings(outcome, decoded.warnings)
        await self._result_cache.put(key, outcome)
        return outcome

    async def _decode(self, buffer: SharedBuffer, size: int) -> DecodedImage:
        try:
            return await self._decoders.decode(buffer, size)
        except ChildDiedError as error:
            reason = Reason.TIMEOUT if error.hung else Reason.UNDECODABLE
            raise TransientImageError(reason, str(error)) from error

    async def _publish(self, attempt: ImageAttempt, outgoing: OutgoingEvent) -> None:
        chain_id = str(attempt.image.chain_id)
        with _stage("publish"):
            try:
                await self._publisher.publish(outgoing, chain_id)
            except RecordTooLargeError as error:
                text = f"The result does not fit into its topic: {error}"
                outgoing = attempt.failed_event(Reason.TOO_LARGE, text, datetime.now(UTC))
                await self._publisher.publish(outgoing, chain_id)
        _count_outcome(outgoing)

    async def _back_off_before_retry(
        self, attempt: ImageAttempt, failure: tuple[Reason, str] | None, permit: BackoffPermit
    ) -> None:
        delay_s = self._retry_policy.delay_s(attempt.number)
        if failure is not None:
            reason, error = failure
            metrics.RETRIES.labels(reason).inc()
            await self._publish_if_it_fits(attempt, attempt.retried_event(reason, error, delay_s))
        async with self._revocations.watch(attempt.image):
            with _stage("backoff"):
                await permit.back_off(delay_s)

    @asynccontextmanager
    async def _report_if_slow(self, attempt: ImageAttempt) -> AsyncGenerator[None]:
        """Publishes TaskStarted if the attempt takes longer than a second; most do not."""

        async def report() -> None:
            await asyncio.sleep(_STARTED_EVENT_AFTER_S)
            await self._publish_if_it_fits(attempt, attempt.started_event())

        reporting = asyncio.create_task(report())
        try:
            yield
        finally:
            reporting.cancel()
            # Unlike `await reporting`, this does not confuse the cancellation above with our own.
            await asyncio.wait({reporting})
        if not reporting.cancelled():
            reporting.result()

    async def _publish_if_it_fits(self, attempt: ImageAttempt, outgoing: OutgoingEvent) -> None:
        """Publishes an optional event: the outcome repeats all that it says."""
        try:
            await self._publisher.publish(outgoing, str(attempt.image.chain_id))
        except RecordTooLargeError as error:
            logger.warning(
                "event too large for its topic, left out",
                type=type(outgoing.event).__name__,
                error=str(error),
            )


def classify_failure(error: Exception, image: ImageSubmitted) -> tuple[Reason, str]:
    """The reason and text of a transient failure."""
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


def _add_warnings(
    outcome: RecognitionOutcome, warnings: tuple[ResultWarning, ...]
) -> RecognitionOutcome:
    if not isinstance(outcome, Recognition) or not warnings:
        return outcome
    provenance = outcome.provenance
    provenance = replace(provenance, warnings=(*provenance.warnings, *warnings))
    return replace(outcome, provenance=provenance)


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


def _count_outcome(outgoing: OutgoingEvent) -> None:
    metrics.count_warnings(outgoing.event)
    match outgoing.event:
        case OcrSucceeded(boxes=boxes):
            metrics.IMAGES.labels("success").inc()
            metrics.BOXES.inc(len(boxes))
        case OcrFailed(reason=reason):
            metrics.IMAGES.labels(reason).inc()
        case _:
            metrics.IMAGES.labels(Reason.REVOKED).inc()
