"""What is taken, what is committed, and what a rebalance, an end or an outage does to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY
from starved import compute_in_turns, lift_wall_limit
from structlog.testing import capture_logs

from ocrstream_runtime.retries import Backoff
from ocrstream_schemas.events import ImageSubmitted
from ocrstream_schemas.topics import IMAGES_SUBMITTED, lane_topic
from ocrstream_worker import consumer as consumer_module
from ocrstream_worker.concurrency import Permit
from ocrstream_worker.consumer import ImageConsumer

DEADLINE_S = 10.0
COMMIT_TIMEOUT_S = 0.2
URGENT = lane_topic("urgent")
A0, A1, U0 = (
    TopicPartition(IMAGES_SUBMITTED, 0),
    TopicPartition(IMAGES_SUBMITTED, 1),
    TopicPartition(URGENT, 0),
)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


class Kafka:
    """One member's view of a group: logs, positions, commits."""

    def __init__(self, logs: dict[TopicPartition, int]) -> None:
        self.logs = {
            partition: [b'{"image_path": "file:///%d"}' % number for number in range(size)]
            for partition, size in logs.items()
        }
        self.begins: dict[TopicPartition, int] = {}
        self.commits: dict[TopicPartition, int] = {}
        self.positions: dict[TopicPartition, int] = {}
        self.polls = 0
        self.commit_answers = asyncio.Event()
        self.commit_answers.set()
        self.trouble: Exception | None = None
        self.before_poll: Callable[[], Any] | None = None
        self.commit_computes_s = 0.0
        self._listener: Any = None

    def subscribe(self, topics: list[str], listener: object) -> None:
        assert set(topics) >= {partition.topic for partition in self.logs}
        self._listener = listener

    async def start(self) -> None:
        await self.assign(self.logs)

    async def stop(self) -> None: ...

    async def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.positions = {
            partition: max(self.commits.get(partition, 0), self.begins.get(partition, 0))
            for partition in partitions
        }
        await self._listener.on_partitions_assigned(set(self.positions))

    async def revoke(self) -> None:
        gone, self.positions = set(self.positions), {}
        await self._listener.on_partitions_revoked(gone)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        assert partitions, "none means all"
        self.polls += 1
        if self.before_poll:
            await self.before_poll()
        if self.trouble:
            error, self.trouble = self.trouble, None
            raise error
        found: dict[TopicPartition, list[Any]] = {}
        room = max_records or 500
        for partition in partitions:
            if partition in self.positions and room:
                begin = self.positions[partition]
                values = self.logs[partition][begin : begin + room]
                room -= len(values)
                self.positions[partition] += len(values)
                if values:
                    found[partition] = [
                        SimpleNamespace(
                            topic=partition.topic,
                            partition=partition.partition,
                            offset=begin + number,
                            timestamp=0,
                            headers=(),
                            key=None,
                            value=value,
                        )
                        for number, value in enumerate(values)
                    ]
        if not found:
            await asyncio.sleep(min(timeout_ms / 1000, 0.002))
        return found

    async def committed(self, partition: TopicPartition) -> int | None:
        return self.commits.get(partition)

    async def beginning_offsets(
        self, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return {partition: self.begins.get(partition, 0) for partition in partitions}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self.commit_answers.wait()
        await compute_in_turns(self.commit_computes_s)
        self.commits |= offsets


class Work:
    """What is done to images: each waits until it is let go."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.at_once = at_once
        self.gated: set[str] = set()
        self.rests: dict[str, float] = {}
        self.failure: Exception | None = None
        self._gates: dict[str, asyncio.Event] = {}

    async def __call__(self, image: ImageSubmitted, permit: Permit) -> None:
        path = image.image_path
        self.begun.append(path)
        if path in self.rests:
            await permit.back_off(self.rests[path])
        if not self.at_once or path in self.gated:
            await self._gates.setdefault(path, asyncio.Event()).wait()
        if self.failure:
            raise self.failure
        self.ended.append(path)

    def finish(self, number: int | str) -> None:
        self._gates.setdefault(f"file:///{number}", asyncio.Event()).set()


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "_COMMIT_INTERVAL_S", 0.005)
    monkeypatch.setattr(consumer_module, "OUTAGE_BACKOFF", Backoff(0.005))
    monkeypatch.setattr(consumer_module, "_IDLE_POLL_MS", 2)
    monkeypatch.setattr(consumer_module, "_COMMIT_TIMEOUT_S", COMMIT_TIMEOUT_S)


@contextlib.asynccontextmanager
async def running(
    kafka: Kafka,
    work: Work,
    *,
    max_in_flight_images: int = 4,
    max_backoff_images: int = 10,
    max_uncommitted_records: int = 100,
    drain_timeout_s: float = 0.1,
) -> AsyncGenerator[tuple[asyncio.Event, "asyncio.Task[None]"]]:
    consumer = ImageConsumer(
        cast("AIOKafkaConsumer", kafka),
        work,
        (URGENT, IMAGES_SUBMITTED),
        group_id="ocr-worker",
        max_in_flight_images=max_in_flight_images,
        max_backoff_images=max_backoff_images,
        max_uncommitted_records=max_uncommitted_records,
        drain_timeout_s=drain_timeout_s,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        yield stop, task
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([task])


async def test_everything_is_read_once_and_committed_to_its_end() -> None:
    kafka, work = Kafka({A0: 30, A1: 20, U0: 10}), Work(at_once=True)
    async with running(kafka, work):
        await until(lambda: kafka.commits == {A0: 30, A1: 20, U0: 10})
    assert len(work.ended) == 60


async def test_a_refused_image_is_skipped_and_committed_past() -> None:
    kafka, work = Kafka({A0: 5, A1: 3}), Work()
    why = b'{"reason": "undecodable", "error": "no PDF"}'
    for offset in (0, 2, 4):
        kafka.logs[A0][offset] = b'{"image_path": "refused:///b/%d", "refused": %s}' % (offset, why)
    kafka.logs[A1] = [b'{"image_path": "refused:///c", "refused": %s}' % why] * 3
    async with running(kafka, work):
        # It holds no permit, and is finished before the images around it.
        await until(lambda: len(work.begun) == 2 and kafka.commits == {A0: 1, A1: 3})
        assert work.begun == ["file:///1", "file:///3"]
        for number in (1, 3):
            work.finish(number)
        await until(lambda: kafka.commits == {A0: 5, A1: 3})
    assert work.ended == ["file:///1", "file:///3"]


def deleted_unread() -> float:
    name = "ocrstream_worker_deleted_unread_total"
    return REGISTRY.get_sample_value(name, {"topic": IMAGES_SUBMITTED}) or 0


async def test_images_that_were_deleted_unread_are_told_of() -> None:
    kafka, work = Kafka({A0: 30, A1: 30, U0: 3}), Work(at_once=True)
    # Of A0 10 to 14 are gone. Of A1 nothing was read yet, so it begins where its log does.
    kafka.commits, kafka.begins = {A0: 10, U0: 1}, {A0: 15, A1: 7}
    before = deleted_unread()
    with capture_logs() as logs:
        async with running(kafka, work):
            await until(lambda: kafka.commits == {A0: 30, A1: 30, U0: 3})
    assert deleted_unread() == before + 5
    told = [
        (one["topic"], one["partition"], one["offsets"])
        for one in logs
        if one["log_level"] == "error"
    ]
    assert told == [(IMAGES_SUBMITTED, 0, "10 to 14")]


async def test_images_that_are_deleted_while_they_wait_are_told_of() -> None:
    kafka, work = Kafka({A0: 30}), Work(at_once=True)
    before = deleted_unread()

    async def delete() -> None:
        if kafka.positions[A0] == 4:
            kafka.begins[A0] = kafka.positions[A0] = 9

    kafka.before_poll = delete
    async with running(kafka, work):
        await until(lambda: kafka.commits == {A0: 30})
    assert deleted_unread() == before + 5


async def test_no_more_than_fit_are_taken() -> None:
    kafka, work = Kafka({A0: 30}), Work()
    async with running(kafka, work, max_in_flight_images=3):
        await until(lambda: len(work.begun) == 3)
        polls = kafka.polls
        await until(lambda: kafka.polls > polls + 3)
        assert len(work.begun) == 3
        work.finish(1)
        await until(lambda: len(work.begun) == 4)


async def test_the_commit_stays_below_the_slowest() -> None:
    kafka, work = Kafka({A0: 3}), Work()
    async with running(kafka, work):
        await until(lambda: len(work.begun) == 3)
        work.finish(1)
        work.finish(2)
        await until(lambda: len(work.ended) == 2)
        polls = kafka.polls
        await until(lambda: kafka.polls > polls + 3)
        assert kafka.commits.get(A0, 0) == 0
        work.finish(0)
        await until(lambda: kafka.commits == {A0: 3})


async def test_a_partition_does_not_get_further_ahead_of_its_oldest_image_than_allowed() -> None:
    kafka, work = Kafka({A0: 60, A1: 60}), Work(at_once=True)
    kafka.logs[A0][0] = b'{"image_path": "file:///slow"}'
    work.gated = {"file:///slow"}
    async with running(kafka, work, max_uncommitted_records=20):
        await until(lambda: kafka.commits.get(A1) == 60)
        polls = kafka.polls
        await until(lambda: kafka.polls > polls + 3)
        # What was asked for at once may exceed it.
        assert 20 <= kafka.positions[A0] < 20 + 4
        assert kafka.commits.get(A0, 0) == 0
        work.finish("slow")
        await until(lambda: kafka.commits == {A0: 60, A1: 60})


async def test_images_at_rest_take_no_place_from_others() -> None:
    kafka, work = Kafka({A0: 30}), Work(at_once=True)
    work.rests = {f"file:///{number}": 3600.0 for number in range(8)}
    async with running(kafka, work, max_in_flight_images=2):
        await until(lambda: len(work.ended) == 22)
        assert kafka.commits.get(A0, 0) == 0


async def test_more_at_rest_than_allowed_keep_their_places() -> None:
    kafka, work = Kafka({A0: 30}), Work(at_once=True)
    work.rests = {f"file:///{number}": 3600.0 for number in range(30)}
    async with running(kafka, work, max_in_flight_images=2, max_backoff_images=3):
        await until(lambda: len(work.begun) == 5)
        polls = kafka.polls
        await until(lambda: kafka.polls > polls + 3)
        assert len(work.begun) == 5


async def test_what_has_rested_comes_before_what_is_new() -> None:
    kafka, work = Kafka({A0: 30}), Work()
    work.rests = {"file:///0": 0.01}
    async with running(kafka, work, max_in_flight_images=1):
        await until(lambda: work.begun == ["file:///0", "file:///1"])
        await asyncio.sleep(0.05)  # it has rested, and there is no room
        work.finish(0)
        work.finish(1)
        await until(lambda: len(work.begun) == 3)
        assert work.ended == ["file:///1", "file:///0"]


async def test_a_rebalance_waits_for_no_image_at_rest() -> None:
    kafka, work = Kafka({A0: 4}), Work()
    work.rests = {"file:///1": 3600.0, "file:///2": 3600.0}
    async with running(
        kafka, work, max_in_flight_images=1, max_backoff_images=1, drain_timeout_s=3600
    ):
        # The second rests without its place, the third in it.
        work.finish(0)
        await until(lambda: len(work.begun) == 3)
        async with asyncio.timeout(DEADLINE_S):
            await kafka.revoke()
        assert kafka.commits == {A0: 1}
        work.rests = {}
        await kafka.assign([A0])
        await until(lambda: work.begun[3:] == ["file:///1"])
        for number in range(4):
            work.finish(number)


async def test_what_is_no_submission_is_passed_over() -> None:
    kafka, work = Kafka({A0: 4}), Work(at_once=True)
    kafka.logs[A0][1] = b"{"
    kafka.logs[A0][2] = cast("bytes", None)
    async with running(kafka, work):
        await until(lambda: kafka.commits == {A0: 4})
    assert work.ended == ["file:///0", "file:///3"]


async def test_the_urgent_lane_comes_first() -> None:
    kafka, work = Kafka({A0: 40, U0: 40}), Work(at_once=True)
    kafka.logs[U0] = [b'{"image_path": "urgent"}'] * 40
    async with running(kafka, work):
        await until(lambda: len(work.ended) == 80)
    assert work.ended[:40].count("urgent") == 36


async def test_a_rebalance_waits_for_images_and_leaves_the_rest() -> None:
    kafka, work = Kafka({A0: 3}), Work()
    async with running(kafka, work):
        await until(lambda: len(work.begun) == 3)
        work.finish(0)
        await kafka.revoke()
        assert kafka.commits == {A0: 1}
        assert work.ended == ["file:///0"]
        await kafka.assign([A0])
        await until(lambda: len(work.begun) == 5)
        assert work.begun[3:] == ["file:///1", "file:///2"]


async def test_a_rebalance_amid_a_poll_of_several_lanes_takes_nothing_stale() -> None:
    kafka, work = Kafka({A0: 6, U0: 6}), Work(at_once=True)

    async def rebalance() -> None:
        # In the first poll's second call, when the first has already given a record.
        if kafka.polls == 2:
            await kafka.revoke()
            await kafka.assign([A0, U0])

    kafka.before_poll = rebalance
    async with running(kafka, work, max_in_flight_images=12) as (_, task):
        await until(lambda: kafka.commits == {A0: 6, U0: 6} or task.done())
        assert not task.done()


async def test_an_end_commits_what_is_done_and_gives_back_the_rest() -> None:
    kafka, work = Kafka({A0: 3}), Work()
    async with running(kafka, work) as (stop, task):
        await until(lambda: len(work.begun) == 3)
        stop.set()
        work.finish(0)
        await task
    assert kafka.commits == {A0: 1}


async def test_what_ends_the_work_ends_the_run() -> None:
    kafka, work = Kafka({A0: 3}), Work(at_once=True)
    work.failure = RuntimeError("no engine")
    async with running(kafka, work) as (_, task):
        with pytest.raises(RuntimeError, match="no engine"):
            await task
    assert kafka.commits.get(A0, 0) == 0


async def test_trouble_in_reading_passes() -> None:
    kafka, work = Kafka({A0: 3}), Work(at_once=True)
    kafka.trouble = KafkaConnectionError()
    async with running(kafka, work):
        await until(lambda: kafka.commits == {A0: 3})


async def test_a_broker_that_never_answers_a_commit_stops_nobody_from_ending() -> None:
    kafka, work = Kafka({A0: 3}), Work(at_once=True)
    kafka.commit_answers.clear()
    async with running(kafka, work) as (stop, task):
        await until(lambda: len(work.ended) == 3)
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await task


async def test_time_without_cpu_does_not_count_against_a_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lift_wall_limit(monkeypatch)
    kafka, work = Kafka({A0: 3}), Work(at_once=True)
    kafka.commit_computes_s = 2 * COMMIT_TIMEOUT_S
    async with running(kafka, work):
        await until(lambda: kafka.commits == {A0: 3})


async def test_an_outage_is_logged_once_and_a_stop_ends_its_backoff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer_module, "OUTAGE_BACKOFF", Backoff(0.001, 3600.0))
    kafka, work = Kafka({A0: 3}), Work(at_once=True)

    async def fail() -> None:
        raise KafkaConnectionError("away")

    kafka.before_poll = fail
    with capture_logs() as logs:
        async with running(kafka, work):
            await until(lambda: kafka.polls > 5)
    assert [one["event"] for one in logs] == ["background loop fails"]


async def test_a_member_without_partitions_keeps_polling() -> None:
    """Else it would be put out of the group after `max_poll_interval_ms`, and stay out."""
    kafka, work = Kafka({}), Work()
    async with running(kafka, work):
        await until(lambda: kafka.polls > 3)


async def test_a_member_without_room_keeps_polling() -> None:
    kafka, work = Kafka({A0: 3}), Work()
    async with running(kafka, work, max_in_flight_images=2):
        await until(lambda: len(work.begun) == 2)
        polls = kafka.polls
        await until(lambda: kafka.polls > polls + 3)
