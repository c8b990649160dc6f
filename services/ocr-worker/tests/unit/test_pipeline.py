"""One image's way: every end is published, trouble that may pass is tried again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from prometheus_client import REGISTRY

from ocrstream_runtime.errors import RecordTooLargeError
from ocrstream_runtime.kafka import RawRecord
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_sandbox.shared_buffers import BufferMappings, SharedBuffer, SharedBufferPool
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import (
    BatchRevoked,
    Event,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    ResultWarning,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TextBox,
    WarningCode,
)
from ocrstream_schemas.topics import BATCHES_COMMANDS
from ocrstream_worker import pipeline as pipeline_module
from ocrstream_worker.decoder_server import DecodedImage
from ocrstream_worker.engines.port import (
    Recognition,
    RecognitionFailure,
    RecognitionOptions,
    RecognitionOutcome,
)
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.pipeline import Pipeline, RetryPolicy
from ocrstream_worker.result_cache import ResultCache
from ocrstream_worker.result_events import OutgoingEvent
from ocrstream_worker.revocations import Revocations

BOX = TextBox(text="Total", confidence=0.5, bbox=((0, 0), (4, 0), (4, 2), (0, 2)))
READ = Recognition(boxes=(BOX,), provenance=Provenance(engine="fake"))
BLANK = Recognition(boxes=(), provenance=Provenance(engine="fake"))
IMAGE = ImageSubmitted(image_path="file:///a", chain_id="c", batch_id="b")

Step = RecognitionOutcome | BaseException


class Engine:
    """Gives one of `steps` a call, raising those that are errors; then READ for ever."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.isolated: list[bool] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.queued = False

    @property
    def calls(self) -> int:
        return len(self.isolated)

    async def recognize(
        self,
        buffer: SharedBuffer,
        height: int,
        width: int,
        options: RecognitionOptions,
        *,
        isolated: bool,
        on_started: Callable[[], None],
    ) -> RecognitionOutcome:
        assert (height, width, options) == (2, 4, RecognitionOptions())
        self.isolated.append(isolated)
        if not self.queued:
            on_started()
        self.asked.set()
        await self.gate.wait()
        step = self._steps.pop(0) if self._steps else READ
        if isinstance(step, BaseException):
            raise step
        return step


class Files:
    """Gives what `read` gives."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read

    async def fetch(self, reference: str) -> bytes:
        content = self._read(reference)
        await asyncio.sleep(0)
        return content


class Decoders:
    """Finds the file in the buffer; gives one of `steps` a call, then 2 by 4 pixels."""

    def __init__(self, *steps: Exception, warnings: tuple[ResultWarning, ...] = ()) -> None:
        self._steps = list(steps)
        self._warnings = warnings
        self.calls = 0

    async def decode(self, buffer: SharedBuffer, size: int) -> DecodedImage:
        self.calls += 1
        assert BufferMappings().read(buffer.fd, size)
        if self._steps:
            raise self._steps.pop(0)
        return DecodedImage(2, 4, self._warnings)


class Sink:
    """Keeps what is published; what `refuses` says of an event is raised instead."""

    def __init__(self, refuses: Callable[[Event], Exception | None] = lambda _: None) -> None:
        self._refuses = refuses
        self.events: list[Event] = []
        self.got_one = asyncio.Event()

    async def publish(self, outgoing: OutgoingEvent, chain_id: str) -> None:
        assert chain_id == "c"
        if error := self._refuses(outgoing.event):
            raise error
        self.events.append(outgoing.event)
        self.got_one.set()


class Bed:
    """Where images rest."""

    def __init__(self) -> None:
        self.pauses_s: list[float] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def back_off(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.entered.set()
        await self.gate.wait()


def cancel(revocations: Revocations, batch_id: str = "b") -> None:
    """As if the command had been read."""
    value = encode(BatchRevoked(batch_id=batch_id))
    record = SimpleNamespace(
        topic=BATCHES_COMMANDS, partition=0, offset=0, timestamp=0, headers=(), value=value
    )
    revocations.apply(cast("RawRecord", record))


@dataclass
class Scene:
    """A pipeline and what stands around it."""

    sink: Sink
    result_cache: ResultCache
    buffers: SharedBufferPool
    revocations: Revocations = field(
        default_factory=lambda: Revocations(cast("AIOKafkaConsumer", None))
    )
    bed: Bed = field(default_factory=Bed)

    async def process(
        self,
        engine: Engine | None = None,
        *,
        read: Callable[[str], bytes] = lambda _: b"file",
        decoders: Decoders | None = None,
        max_attempts: int = 3,
        backoff_s: float = 8.0,
        image: ImageSubmitted = IMAGE,
    ) -> None:
        pipeline = Pipeline(
            fetcher=Files(read),
            result_cache=self.result_cache,
            buffers=self.buffers,
            decoders=decoders or Decoders(),
            engine=engine or Engine(),
            publisher=self.sink,
            revocations=self.revocations,
            retry_policy=RetryPolicy(max_attempts, backoff_s),
            worker="worker-1",
        )
        await pipeline.process(image, self.bed)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncGenerator[Scene]:
    buffers = SharedBufferPool(1)
    with ThreadPoolExecutor(1) as threads:
        yield Scene(Sink(), ResultCache(tmp_path, b"basis", threads), buffers)
    # Whatever happened, the image has given its memory back.
    async with asyncio.timeout(5):
        await buffers.acquire()
    buffers.close()


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


async def test_a_read_image_is_one_result(scene: Scene) -> None:
    await scene.process()
    (event,) = scene.sink.events
    assert isinstance(event, OcrSucceeded)
    assert event.boxes == (BOX,)


async def test_warnings_are_counted_when_the_result_is_published(scene: Scene) -> None:
    def counted() -> float:
        name, labels = "ocrstream_worker_warnings_total", {"code": "low_confidence"}
        return REGISTRY.get_sample_value(name, labels) or 0.0

    warning = ResultWarning(code=WarningCode.LOW_CONFIDENCE, detail="seen")
    unclear = Recognition(boxes=(BOX,), provenance=Provenance(engine="fake", warnings=(warning,)))
    before = counted()
    await scene.process(Engine(unclear))
    (event,) = scene.sink.events
    assert isinstance(event, OcrSucceeded)
    assert event.provenance == unclear.provenance
    assert counted() == before + 1


@pytest.mark.parametrize("options", [None, {"reuse": True}], ids=["read", "reused"])
async def test_warnings_of_the_decoder_follow_those_of_the_engine(
    scene: Scene, options: dict[str, bool] | None
) -> None:
    small = ResultWarning(code="small_text", detail="…")
    reduced = ResultWarning(code="reduced_resolution", detail="…")
    unclear = Recognition(boxes=(BOX,), provenance=Provenance(engine="fake", warnings=(small,)))
    image = msgspec.structs.replace(IMAGE, options=options)
    for _ in range(2):
        await scene.process(Engine(unclear), decoders=Decoders(warnings=(reduced,)), image=image)
    for event in scene.sink.events:
        assert isinstance(event, OcrSucceeded)
        assert event.provenance is not None
        assert event.provenance.warnings == (small, reduced)
        assert event.provenance.reused == (options is not None and event is scene.sink.events[1])


async def test_a_blank_page_fails(scene: Scene) -> None:
    await scene.process(Engine(BLANK))
    assert [failure(event) for event in scene.sink.events] == [(Reason.NO_TEXT, 1)]


async def test_what_cannot_get_better_fails_at_once(scene: Scene) -> None:
    rejected = raising(PermanentImageError(Reason.NOT_FOUND, "gone"))
    await scene.process(read=rejected)
    await scene.process(Engine(RecognitionFailure(error="no")))
    assert [failure(event) for event in scene.sink.events] == [
        (Reason.NOT_FOUND, 1),
        (Reason.ENGINE, 1),
    ]


async def test_trouble_that_passes_costs_attempts(scene: Scene) -> None:
    read = raising(TransientImageError(Reason.TIMEOUT, "disk"))
    await scene.process(Engine(ChildDiedError("segfault")), read=read)
    first, second, result = scene.sink.events
    assert isinstance(first, TaskRetried)
    assert isinstance(second, TaskRetried)
    assert isinstance(result, OcrSucceeded)
    assert [(first.attempt, first.reason), (second.attempt, second.reason)] == [
        (1, Reason.TIMEOUT),
        (2, Reason.ENGINE),
    ]
    assert result.attempt == 3


async def test_a_dead_or_hung_decoder_costs_an_attempt_each(scene: Scene) -> None:
    decoders = Decoders(ChildDiedError("segfault"), ChildDiedError("slow", hung=True))
    await scene.process(decoders=decoders)
    first, second, result = scene.sink.events
    assert isinstance(first, TaskRetried)
    assert isinstance(second, TaskRetried)
    assert isinstance(result, OcrSucceeded)
    assert [first.reason, second.reason] == [Reason.UNDECODABLE, Reason.TIMEOUT]


async def test_after_a_death_an_image_is_read_alone(scene: Scene) -> None:
    engine = Engine(ChildDiedError("segfault"), ZeroDivisionError("a bug"))
    await scene.process(engine)
    assert engine.isolated == [False, True, True]


async def test_a_lack_of_cpu_costs_no_attempt_however_often(scene: Scene) -> None:
    engine = Engine(*[ChildStarvedError("too little CPU")] * 9)
    decoders = Decoders(*[ChildStarvedError("too little CPU")] * 9)
    await scene.process(engine, decoders=decoders, max_attempts=1)
    (result,) = scene.sink.events
    assert isinstance(result, OcrSucceeded)
    assert result.attempt == 1
    # What was too much at once is not tried so again.
    assert all(engine.isolated)
    assert len(scene.bed.pauses_s) == 18


async def test_a_cancel_ends_an_image_that_lacks_cpu(scene: Scene) -> None:
    scene.bed.gate.clear()
    processing = asyncio.create_task(scene.process(Engine(ChildStarvedError("too little CPU"))))
    await scene.bed.entered.wait()
    cancel(scene.revocations)
    await processing
    assert [type(event) for event in scene.sink.events] == [TaskRevoked]


async def test_pauses_are_drawn_up_to_twice_the_one_before(scene: Scene) -> None:
    for _ in range(200):
        await scene.process(
            Engine(*[ChildDiedError("segfault")] * 9), max_attempts=9, backoff_s=1.0
        )
    told = [event.backoff_s for event in scene.sink.events if isinstance(event, TaskRetried)]
    assert told == scene.bed.pauses_s
    for number, longest_s in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        pauses_s = scene.bed.pauses_s[number::8]
        assert all(0 <= pause_s <= longest_s for pause_s in pauses_s)
        # Of 200 draws one lies in each of these thirds: all of them miss one in 10^35 cases.
        assert min(pauses_s) < longest_s / 3 < 2 * longest_s / 3 < max(pauses_s)


async def test_the_last_attempt_fails_the_image(scene: Scene) -> None:
    engine = Engine(*[ChildDiedError("segfault")] * 5)
    await scene.process(engine, max_attempts=2)
    retried, result = scene.sink.events
    assert isinstance(retried, TaskRetried)
    assert failure(result) == (Reason.ENGINE, 2)
    assert engine.calls == 2


async def test_a_fault_of_ours_costs_the_image_and_not_the_worker(scene: Scene) -> None:
    await scene.process(Engine(*[ZeroDivisionError("a bug")] * 3))
    *retried, result = scene.sink.events
    assert len(retried) == 2
    assert failure(result) == (Reason.ENGINE, 3)
    assert isinstance(result, OcrFailed)
    assert "ZeroDivisionError: a bug" in result.error


async def test_an_engine_that_is_gone_for_good_ends_the_worker(scene: Scene) -> None:
    with pytest.raises(ChildUnavailableError):
        await scene.process(Engine(ChildUnavailableError("no models", permanent=True)))
    assert scene.sink.events == []


async def test_a_cancelled_batch_is_skipped(scene: Scene) -> None:
    engine = Engine()
    cancel(scene.revocations, "another")
    cancel(scene.revocations)
    await scene.process(engine)
    assert [type(event) for event in scene.sink.events] == [TaskRevoked]
    assert engine.calls == 0


async def test_a_cancel_while_it_rests_ends_it_at_once(scene: Scene) -> None:
    scene.bed.gate.clear()
    processing = asyncio.create_task(scene.process(Engine(ChildDiedError("segfault"))))
    await scene.bed.entered.wait()
    cancel(scene.revocations)
    await processing
    assert [type(event) for event in scene.sink.events] == [TaskRetried, TaskRevoked]


async def test_a_cancel_while_it_waits_for_the_engine_ends_it_at_once(scene: Scene) -> None:
    engine = Engine()
    engine.queued = True
    engine.gate.clear()
    processing = asyncio.create_task(scene.process(engine))
    await engine.asked.wait()
    cancel(scene.revocations)
    await processing
    assert [type(event) for event in scene.sink.events] == [TaskRevoked]


async def test_what_the_engine_has_begun_is_finished(scene: Scene) -> None:
    engine = Engine()
    engine.gate.clear()
    processing = asyncio.create_task(scene.process(engine))
    await engine.asked.wait()
    cancel(scene.revocations)
    engine.gate.set()
    await processing
    assert [type(event) for event in scene.sink.events] == [OcrSucceeded]


async def test_a_cancel_while_the_image_is_fetched_spares_the_engine(scene: Scene) -> None:
    engine, loop = Engine(), asyncio.get_running_loop()

    def read(reference: str) -> bytes:
        loop.call_soon(cancel, scene.revocations)
        return b"file"

    await scene.process(engine, read=read)
    assert [type(event) for event in scene.sink.events] == [TaskRevoked]
    assert engine.calls == 0


async def test_a_result_too_large_for_its_topic_fails(scene: Scene) -> None:
    scene.sink = Sink(
        lambda event: RecordTooLargeError("9 MB") if isinstance(event, OcrSucceeded) else None
    )
    await scene.process()
    assert [failure(event) for event in scene.sink.events] == [(Reason.TOO_LARGE, 1)]


async def test_news_too_large_for_its_topic_costs_nothing(scene: Scene) -> None:
    scene.sink = Sink(
        lambda event: RecordTooLargeError("300 kB") if isinstance(event, TaskRetried) else None
    )
    await scene.process(Engine(ChildDiedError("segfault")))
    assert [type(event) for event in scene.sink.events] == [OcrSucceeded]


async def test_a_long_attempt_is_told_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "_STARTED_EVENT_AFTER_S", 0.0)
    engine = Engine()
    engine.gate.clear()
    processing = asyncio.create_task(scene.process(engine))
    await scene.sink.got_one.wait()
    engine.gate.set()
    await processing
    assert [type(event) for event in scene.sink.events] == [TaskStarted, OcrSucceeded]


async def test_a_short_attempt_is_not_told(scene: Scene) -> None:
    await scene.process()
    assert not any(isinstance(event, TaskStarted) for event in scene.sink.events)


async def test_cancelled_it_publishes_nothing(scene: Scene) -> None:
    engine = Engine()
    engine.gate.clear()
    processing = asyncio.create_task(scene.process(engine))
    await engine.asked.wait()
    processing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await processing
    assert scene.sink.events == []


REUSING = msgspec.structs.replace(IMAGE, options={"reuse": True})


@pytest.mark.parametrize("outcome", [READ, BLANK])
async def test_the_same_file_again_needs_neither_decoder_nor_engine(
    scene: Scene, outcome: Recognition
) -> None:
    await scene.process(Engine(outcome), image=REUSING)
    engine, decoders = Engine(), Decoders()
    await scene.process(engine, decoders=decoders, image=REUSING)
    assert (engine.calls, decoders.calls) == (0, 0)
    first, again = scene.sink.events
    assert isinstance(first, OcrSucceeded | OcrFailed)
    assert isinstance(again, type(first))
    assert first.provenance == outcome.provenance
    assert again.provenance == msgspec.structs.replace(outcome.provenance, reused=True)
    if isinstance(again, OcrSucceeded):
        assert again.boxes == outcome.boxes


async def test_a_refusal_is_not_reused(scene: Scene) -> None:
    await scene.process(Engine(RecognitionFailure(error="no")), image=REUSING)
    await scene.process(image=REUSING)
    assert [type(event) for event in scene.sink.events] == [OcrFailed, OcrSucceeded]


async def test_reuse_is_asked_for_by_each_image(scene: Scene) -> None:
    await scene.process(image=REUSING)
    engine = Engine()
    await scene.process(engine)
    assert engine.calls == 1
    await scene.process(image=msgspec.structs.replace(IMAGE, options={"reuse": "yes"}))
    assert failure(scene.sink.events[-1]) == (Reason.REFUSED, 1)
