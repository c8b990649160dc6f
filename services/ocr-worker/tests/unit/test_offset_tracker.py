"""The watermark: an offset is committed only when every record taken before it is done."""

from hypothesis import given
from hypothesis import strategies as st

from ocrstream_worker.offset_tracker import OffsetTracker


def test_nothing_taken_means_nothing_to_commit() -> None:
    assert OffsetTracker().committable() is None
    assert OffsetTracker().uncommitted == 0


def test_the_slowest_record_holds_the_offset_back() -> None:
    tracker = OffsetTracker()
    for offset in (5, 6, 7):
        tracker.start(offset)
    tracker.finish(6)
    tracker.finish(7)
    assert tracker.committable() == 5
    assert tracker.uncommitted == 3
    tracker.finish(5)
    assert tracker.committable() == 8
    assert tracker.uncommitted == 0
    tracker.mark_committed(8)
    assert tracker.committable() is None


@given(st.data(), st.sets(st.integers(0, 10_000), max_size=40))
def test_the_watermark_is_the_lowest_unfinished_in_any_order_and_with_gaps(
    data: st.DataObject, offsets: set[int]
) -> None:
    tracker = OffsetTracker()
    waiting, unfinished, committed = sorted(offsets), set[int](), -1
    while waiting or unfinished:
        if waiting and (not unfinished or data.draw(st.booleans())):
            taken = waiting.pop(0)
            tracker.start(taken)
            unfinished.add(taken)
        else:
            done = data.draw(st.sampled_from(sorted(unfinished)))
            tracker.finish(done)
            unfinished.discard(done)
        assert tracker.unfinished == len(unfinished)
        watermark = tracker.committable()
        if watermark is not None:
            assert all(offset >= watermark for offset in unfinished)
            assert watermark > committed
            if data.draw(st.booleans()):
                tracker.mark_committed(watermark)
                committed = watermark
    if offsets:
        assert tracker.committable() in {None, max(offsets) + 1}
