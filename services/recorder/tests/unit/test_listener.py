"""What a listener is told, whatever it is told of and whenever it listens."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_recorder.progress.batch_watcher import Listener
from ocrstream_recorder.progress.queries import BatchProgress

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
            listener.tell(newest)
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
        listener.tell(seen(done))
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
