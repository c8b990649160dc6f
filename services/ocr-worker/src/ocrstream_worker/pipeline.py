"""What happens to one image: fetch, decode, recognise, publish; again if the trouble may pass."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError
from opentelemetry import trace

from ocrstream_runtime.kafka import RecordTooLarge
from ocrstream_schemas.events import ImageSubmitted, OcrFailed, OcrSucceeded, Reason
from ocrstream_worker import metrics
from ocrstream_worker.engines.port import (
    EngineDied,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Recognition,
    RgbImage,
)
from ocrstream_worker.image_errors import ImageRejected, ImageUnreachable, printable
from ocrstream_worker.outcomes import Attempt, Message
from ocrstream_worker.read_options import read_options

logger = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_TELL_AFTER_S = 1.0
_LONGEST_BACKOFF_S = 60.0


class Recognizer(Protocol):
    """The engine, as `EngineProcess` offers it."""

    async def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions]
    ) -> list[Outcome]: ...


class Publishes(Protocol):
    """Where events go, as `Publisher` sends them."""

    async def publish(self, message: Message, chain_id: str) -> None: ...


@dataclass(frozen=True)
class RetryRule:
    """`max_attempts` in all, the pause before the second `backoff_s`, doubled each time."""

    max_attempts: int
    backoff_s: float


class _Revoked(Exception):
    """The image's batch was cancelled while the image was being read."""


class Pipeline:
    """Takes images from submission to published outcome; any number at the same time.

    `read` gives a reference's bytes and `decode` their pixels, both blocking, on `threads`.
    `is_revoked` tells whether an image's batch was cancelled.
    """

    def __init__(
        self,
        *,
        read: Callable[[str], bytes],
        decode: Callable[[bytes], RgbImage],
        engine: Recognizer,
        publisher: Publishes,
        is_revoked: Callable[[ImageSubmitted], bool],
        threads: Executor,
        rule: RetryRule,
        worker: str,
    ) -> None:
        self._read = read
        self._decode = decode
        self._engine = engine
        self._publisher = publisher
        self._is_revoked = is_revoked
        self._threads = threads
        self._rule = rule
        self._worker = worker

    async def process(self, image: ImageSubmitted) -> None:
        """Returns when the broker has the image's outcome.

        Raises EngineUnavailable and KafkaError, which end the worker; cancelled, it leaves the
        image to whoever reads the record next.
        """
        for number in range(1, self._rule.max_attempts + 1):
            attempt = Attempt(image, number, datetime.now(UTC), self._worker)
            try:
                async with self._told_if_long(attempt):
                    message = await self._attempt(attempt)
            except (EngineUnavailable, KafkaError):
                raise
            except Exception as error:  # noqa: BLE001 - no image may take the worker down
                reason, text = _trouble(error, image)
                if number < self._rule.max_attempts:
                    await self._pause_before_next(attempt, reason, text)
                    continue
                message = attempt.failed(reason, text, datetime.now(UTC))
            await self._publish(attempt, message)
            return

    async def _attempt(self, attempt: Attempt) -> Message:
        try:
            recognized = await self._recognize(attempt.image)
        except _Revoked:
            return attempt.revoked(datetime.now(UTC))
        except ImageRejected as error:
            return attempt.failed(error.reason, str(error), datetime.now(UTC))
        if isinstance(recognized, Recognition):
            return attempt.recognized(recognized, datetime.now(UTC))
        return attempt.failed(Reason.ENGINE, recognized.error, datetime.now(UTC))

    async def _recognize(self, image: ImageSubmitted) -> Outcome:
        loop = asyncio.get_running_loop()
        self._check_wanted(image)
        options = read_options(image)
        with _timed("fetch"):
            data = await loop.run_in_executor(self._threads, self._read, image.image_path)
        with _timed("decode"):
            pixels = await loop.run_in_executor(self._threads, self._decode, data)
        self._check_wanted(image)
        with _timed("recognize"):
            (outcome,) = await self._engine.recognize([pixels], [options])
        return outcome

    def _check_wanted(self, image: ImageSubmitted) -> None:
        if self._is_revoked(image):
            raise _Revoked

    async def _publish(self, attempt: Attempt, message: Message) -> None:
        chain_id = str(attempt.image.chain_id)
        with _timed("publish"):
            try:
                await self._publisher.publish(message, chain_id)
            except RecordTooLarge as error:
                text = f"The result does not fit into its topic: {error}"
                message = attempt.failed(Reason.TOO_LARGE, text, datetime.now(UTC))
                await self._publisher.publish(message, chain_id)
        _count(message)

    async def _pause_before_next(self, attempt: Attempt, reason: Reason, error: str) -> None:
        backoff_s = min(self._rule.backoff_s * 2 ** (attempt.number - 1), _LONGEST_BACKOFF_S)
        message = attempt.retried(reason, error, backoff_s)
        metrics.RETRIES.labels(reason).inc()
        await self._inform(attempt, message)
        await asyncio.sleep(backoff_s)

    @asynccontextmanager
    async def _told_if_long(self, attempt: Attempt) -> AsyncGenerator[None]:
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

    async def _inform(self, attempt: Attempt, message: Message) -> None:
        """Publish what is worth knowing but not needed: the outcome says all of it again."""
        try:
            await self._publisher.publish(message, str(attempt.image.chain_id))
        except RecordTooLarge as error:
            logger.warning("event left out", type=type(message.event).__name__, error=str(error))


def _trouble(error: Exception, image: ImageSubmitted) -> tuple[Reason, str]:
    """Reason and text of what may not happen the next time."""
    match error:
        case ImageUnreachable():
            return error.reason, str(error)
        case EngineDied():
            return Reason.ENGINE, str(error)
        case MemoryError():
            return Reason.ENGINE, "not enough memory for the image"
        case _:
            logger.exception("image failed unexpectedly", image_path=image.image_path)
            return Reason.ENGINE, printable(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _timed(stage: metrics.Stage) -> Generator[None]:
    began = time.perf_counter()
    try:
        with _tracer.start_as_current_span(stage):
            yield
    finally:
        metrics.STAGE_SECONDS.labels(stage).observe(time.perf_counter() - began)


def _count(message: Message) -> None:
    match message.event:
        case OcrSucceeded(boxes=boxes):
            metrics.IMAGES.labels("success").inc()
            metrics.BOXES.inc(len(boxes))
        case OcrFailed(reason=reason):
            metrics.IMAGES.labels(reason).inc()
        case _:
            metrics.IMAGES.labels(Reason.REVOKED).inc()
