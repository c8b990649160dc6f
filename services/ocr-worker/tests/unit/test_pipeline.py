"""One image's way: every end is published, trouble that may pass is tried again."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ocrstream_runtime.kafka import RecordTooLarge
from ocrstream_schemas.events import (
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TextBox,
)
from ocrstream_worker import pipeline as pipeline_module
from ocrstream_worker.engines.port import (
    EngineDied,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Recognition,
    Refused,
    RgbImage,
)
from ocrstream_worker.image_errors import ImageRejected, ImageUnreachable
from ocrstream_worker.outcomes import Message
from ocrstream_worker.pipeline import Pipeline, RetryRule

BOX = TextBox(text="Total", confidence=0.5, bbox=((0, 0), (4, 0), (4, 2), (0, 2)))
READ = Recognition(boxes=(BOX,), provenance=Provenance(engine="fake"))
BLANK = Recognition(boxes=(), provenance=Provenance(engine="fake"))
IMAGE = ImageSubmitted(image_path="file:///a", chain_id="c", batch_id="b")

Step = Outcome | BaseException


class Engine:
    """Gives one of `steps` a call, raising those that are errors; then READ for ever."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.calls = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions]
    ) -> list[Outcome]:
        self.calls += 1
        self.asked.set()
        await self.gate.wait()
        step = self._steps.pop(0) if self._steps else READ
        if isinstance(step, BaseException):
            raise step
        return [step] * len(images)


class Sink:
    """Keeps what is published; what `refuses` says of an event is raised instead."""

    def __init__(self, refuses: Callable[[Event], Exception | None] = lambda _: None) -> None:
        self._refuses = refuses
        self.events: list[Event] = []
        self.got_one = asyncio.Event()

    async def publish(self, message: Message, chain_id: str) -> None:
        assert chain_id == "c"
        if error := self._refuses(message.event):
            raise error
        self.events.append(message.event)
        self.got_one.set()


@pytest.fixture
def threads() -> Generator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def sink() -> Sink:
    return Sink()


def make(
    threads: ThreadPoolExecutor,
    sink: Sink,
    engine: Engine | None = None,
    *,
    read: Callable[[str], bytes] = lambda _: b"file",
    revoked: Callable[[ImageSubmitted], bool] = lambda _: False,
    max_attempts: int = 3,
) -> Pipeline:
    return Pipeline(
        read=read,
        decode=lambda _: np.zeros((2, 4, 3), np.uint8),
        engine=engine or Engine(),
        publisher=sink,
        is_revoked=revoked,
        threads=threads,
        rule=RetryRule(max_attempts, 0.0),
        worker="worker-1",
    )


def raising(*errors: Exception) -> Callable[[str], bytes]:
    rest = list(errors)

    def read(reference: str) -> bytes:
        if rest:
            raise rest.pop(0)
        return reference.encode()

    return read


def failure(event: Event) -> tuple[Reason, int]:
    assert isinstance(event, OcrFailed)
    return event.reason, event.attempt


async def test_a_read_image_is_one_result(threads: ThreadPoolExecutor, sink: Sink) -> None:
    await make(threads, sink).process(IMAGE)
    (event,) = sink.events
    assert isinstance(event, OcrSucceeded)
    assert event.boxes == (BOX,)


async def test_a_blank_page_fails(threads: ThreadPoolExecutor, sink: Sink) -> None:
    await make(threads, sink, Engine(BLANK)).process(IMAGE)
    assert [failure(event) for event in sink.events] == [(Reason.NO_TEXT, 1)]


async def test_what_cannot_get_better_fails_at_once(
    threads: ThreadPoolExecutor, sink: Sink
) -> None:
    rejected = raising(ImageRejected(Reason.NOT_FOUND, "gone"))
    await make(threads, sink, read=rejected).process(IMAGE)
    await make(threads, sink, Engine(Refused(error="no"))).process(IMAGE)
    assert [failure(event) for event in sink.events] == [
        (Reason.NOT_FOUND, 1),
        (Reason.ENGINE, 1),
    ]


async def test_trouble_that_passes_costs_attempts(threads: ThreadPoolExecutor, sink: Sink) -> None:
    read = raising(ImageUnreachable(Reason.TIMEOUT, "disk"))
    await make(threads, sink, Engine(EngineDied("segfault")), read=read).process(IMAGE)
    first, second, result = sink.events
    assert isinstance(first, TaskRetried)
    assert isinstance(second, TaskRetried)
    assert isinstance(result, OcrSucceeded)
    assert [(first.attempt, first.reason), (second.attempt, second.reason)] == [
        (1, Reason.TIMEOUT),
        (2, Reason.ENGINE),
    ]
    assert result.attempt == 3


async def test_the_last_attempt_fails_the_image(threads: ThreadPoolExecutor, sink: Sink) -> None:
    engine = Engine(*[EngineDied("segfault")] * 5)
    await make(threads, sink, engine, max_attempts=2).process(IMAGE)
    retried, result = sink.events
    assert isinstance(retried, TaskRetried)
    assert failure(result) == (Reason.ENGINE, 2)
    assert engine.calls == 2


async def test_a_fault_of_ours_costs_the_image_and_not_the_worker(
    threads: ThreadPoolExecutor, sink: Sink
) -> None:
    await make(threads, sink, Engine(*[ZeroDivisionError("a bug")] * 3)).process(IMAGE)
    *retried, result = sink.events
    assert len(retried) == 2
    assert failure(result) == (Reason.ENGINE, 3)
    assert isinstance(result, OcrFailed)
    assert "ZeroDivisionError: a bug" in result.error


async def test_an_engine_that_is_gone_for_good_ends_the_worker(
    threads: ThreadPoolExecutor, sink: Sink
) -> None:
    with pytest.raises(EngineUnavailable):
        await make(threads, sink, Engine(EngineUnavailable("no models"))).process(IMAGE)
    assert sink.events == []


async def test_a_cancelled_batch_is_skipped(threads: ThreadPoolExecutor, sink: Sink) -> None:
    engine = Engine()
    await make(threads, sink, engine, revoked=lambda image: image.batch_id == "b").process(IMAGE)
    assert [type(event) for event in sink.events] == [TaskRevoked]
    assert engine.calls == 0


async def test_a_cancel_between_two_attempts_counts(
    threads: ThreadPoolExecutor, sink: Sink
) -> None:
    engine = Engine(EngineDied("segfault"))
    await make(threads, sink, engine, revoked=lambda _: engine.calls > 0).process(IMAGE)
    assert [type(event) for event in sink.events] == [TaskRetried, TaskRevoked]


async def test_a_cancel_while_the_image_is_fetched_spares_the_engine(
    threads: ThreadPoolExecutor, sink: Sink
) -> None:
    engine, fetched = Engine(), list[str]()

    def read(reference: str) -> bytes:
        fetched.append(reference)
        return b"file"

    await make(threads, sink, engine, read=read, revoked=lambda _: bool(fetched)).process(IMAGE)
    assert [type(event) for event in sink.events] == [TaskRevoked]
    assert engine.calls == 0


async def test_a_result_too_large_for_its_topic_fails(threads: ThreadPoolExecutor) -> None:
    sink = Sink(lambda event: RecordTooLarge("9 MB") if isinstance(event, OcrSucceeded) else None)
    await make(threads, sink).process(IMAGE)
    assert [failure(event) for event in sink.events] == [(Reason.TOO_LARGE, 1)]


async def test_news_too_large_for_its_topic_costs_nothing(threads: ThreadPoolExecutor) -> None:
    sink = Sink(lambda event: RecordTooLarge("300 kB") if isinstance(event, TaskRetried) else None)
    await make(threads, sink, Engine(EngineDied("segfault"))).process(IMAGE)
    assert [type(event) for event in sink.events] == [OcrSucceeded]


async def test_a_long_attempt_is_told_once(
    threads: ThreadPoolExecutor, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "_TELL_AFTER_S", 0.0)
    engine = Engine()
    engine.gate.clear()
    processing = asyncio.create_task(make(threads, sink, engine).process(IMAGE))
    await sink.got_one.wait()
    engine.gate.set()
    await processing
    assert [type(event) for event in sink.events] == [TaskStarted, OcrSucceeded]


async def test_a_short_attempt_is_not_told(threads: ThreadPoolExecutor, sink: Sink) -> None:
    await make(threads, sink).process(IMAGE)
    assert not any(isinstance(event, TaskStarted) for event in sink.events)


async def test_cancelled_it_publishes_nothing(threads: ThreadPoolExecutor, sink: Sink) -> None:
    engine = Engine()
    engine.gate.clear()
    processing = asyncio.create_task(make(threads, sink, engine).process(IMAGE))
    await engine.asked.wait()
    processing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await processing
    assert sink.events == []
