"""What a listener is told, whatever it is told of and whenever it listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.errors import DatabaseUnavailableError, NotWatchingError
from ocrstream_recorder.progress import batch_watcher
from ocrstream_recorder.progress.batch_watcher import BatchWatcher, Listener
from ocrstream_recorder.progress.queries import BatchProgress

ZONE = DatabaseZone("UTC")
SOME_INTERVALS_S = 0.03
NOTHING_DONE = BatchProgress(
    batch_id="b",
    batch_name=None,
    status="RUNNING",
    ended=False,
    progress=0.0,
    revision=0,
    run=1,
    total_images=9,
    total_known=True,
    seen_images=9,
    completed_images=0,
    failed_images=0,
    revoked_images=0,
    started_at=None,
    finished_at=None,
    images_per_s=0.0,
    eta_s=None,
)


def seen(done: int, pace: float = 0.0) -> BatchProgress:
    return msgspec.structs.replace(NOTHING_DONE, completed_images=done, images_per_s=pace)


# None: it listens; otherwise a look finds so many done, at that pace.
steps = st.lists(st.none() | st.tuples(st.integers(0, 3), st.sampled_from((0.0, 0.5))))


@given(steps=steps, told=st.none() | st.integers(0, 3))
async def test_it_knows_the_newest_state_and_hears_none_twice_in_a_row(
    steps: list[tuple[int, float] | None], told: int | None
) -> None:
    listener = Listener(None if told is None else seen(told).state_id)
    known = None if told is None else seen(told).state_id
    newest: BatchProgress | None = None
    heard: list[BatchProgress] = []
    for step in [*steps, None]:
        if step is not None:
            newest = seen(*step)
            listener.publish(newest)
            continue
        got = await listener.next(0)
        if got is not None:
            assert got == newest
            heard.append(got)
            known = got.state_id
        if newest is not None:
            assert known == newest.state_id
    assert all(one != other for one, other in pairwise(heard))


async def test_a_slow_one_is_told_the_newest_state_only() -> None:
    listener = Listener(None)
    for done in range(1_000):
        listener.publish(seen(done))
    assert await listener.next(0) == seen(999)
    assert await listener.next(0) is None


def test_estimates_do_not_change_the_name_of_a_state_and_all_else_does() -> None:
    assert seen(1, 0.5).state_id == seen(1).state_id
    for name, value in msgspec.structs.asdict(NOTHING_DONE).items():
        if name in {"images_per_s", "eta_s"} or value is None:
            continue
        other = value + "x" if isinstance(value, str) else value + 1
        changed = msgspec.structs.replace(NOTHING_DONE, **{name: other})
        assert changed.state_id != NOTHING_DONE.state_id, name


class Progress:
    """Stands in for the database: each query takes the next of `answers`."""

    def __init__(self, *answers: Exception | dict[str, BatchProgress]) -> None:
        self.answers = list(answers)
        self.queried: list[set[str]] = []

    async def run(self, query: Any) -> dict[str, BatchProgress]:
        self.queried.append(set(query.args[0]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def watching(progress: Progress) -> AsyncGenerator[BatchWatcher]:
    watcher = BatchWatcher(cast("Database", progress), ZONE, listener_limit=10)
    stop = asyncio.Event()
    task = asyncio.create_task(watcher.run(stop))
    try:
        yield watcher
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


@pytest.fixture
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_watcher, "_INTERVAL_S", SOME_INTERVALS_S / 3)
    monkeypatch.setattr(batch_watcher, "_SHORTEST_INTERVAL_S", 0.001)


@pytest.mark.usefixtures("short_intervals")
async def test_it_queries_only_batches_that_have_listeners() -> None:
    progress = Progress({"b": seen(1)})
    async with watching(progress) as watcher:
        for _ in range(2):
            await asyncio.sleep(SOME_INTERVALS_S)
            async with watcher.listen("b", None) as listener, watcher.listen("c", None) as absent:
                assert absent is None
                assert listener is not None
                assert await listener.next(5) == seen(1)
            async with watcher.listen("b", None):
                pass
    assert all(queried and queried <= {"b", "c"} for queried in progress.queried)
    assert {"b"} in progress.queried


@pytest.mark.usefixtures("short_intervals")
async def test_an_outage_is_logged_once_however_many_listeners_come_and_go() -> None:
    away = DatabaseUnavailableError("away")
    progress = Progress(away, away, away, {"b": seen(1)})
    with capture_logs() as logs:
        async with watching(progress) as watcher:
            for _ in range(3):
                with pytest.raises(NotWatchingError, match="away"):
                    async with watcher.listen("b", None):
                        pass
                await asyncio.sleep(SOME_INTERVALS_S)
            async with watcher.listen("b", None) as listener:
                assert listener is not None
    assert [log["event"] for log in logs] == ["background loop fails", "background loop recovered"]


@pytest.mark.usefixtures("short_intervals")
async def test_a_stop_ends_the_listeners() -> None:
    progress, stop = Progress({"b": seen(1)}), asyncio.Event()
    watcher = BatchWatcher(cast("Database", progress), ZONE, listener_limit=10)
    task = asyncio.create_task(watcher.run(stop))
    async with watcher.listen("b", None) as listener:
        assert listener is not None
        assert not listener.ended
        stop.set()
        async with asyncio.timeout(5):
            await task
        assert listener.ended
    with pytest.raises(NotWatchingError, match="stopped"):
        async with watcher.listen("b", None):
            pass
