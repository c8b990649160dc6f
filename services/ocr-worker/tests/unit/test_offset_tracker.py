"""The watermark: an offset is committed only when every record taken before it is done."""

from hypothesis import given
from hypothesis import strategies as st

from ocrstream_worker.offset_tracker import OffsetTracker


def test_nothing_taken_means_nothing_to_commit() -> None:
    assert OffsetTracker().to_commit() is None
    assert OffsetTracker().ahead == 0


def test_the_slowest_record_holds_the_offset_back() -> None:
    progress = OffsetTracker()
    for offset in (5, 6, 7):
        progress.take(offset)
    progress.done(6)
    progress.done(7)
    assert progress.to_commit() == 5
    assert progress.ahead == 3
    progress.done(5)
    assert progress.to_commit() == 8
    assert progress.ahead == 0
    progress.committed(8)
    assert progress.to_commit() is None


@given(st.data(), st.sets(st.integers(0, 10_000), max_size=40))
def test_the_watermark_is_the_lowest_unfinished_in_any_order_and_with_gaps(
    data: st.DataObject, offsets: set[int]
) -> None:
    progress = OffsetTracker()
    waiting, unfinished, committed = sorted(offsets), set[int](), -1
    while waiting or unfinished:
        if waiting and (not unfinished or data.draw(st.booleans())):
            taken = waiting.pop(0)
            progress.take(taken)
            unfinished.add(taken)
        else:
            done = data.draw(st.sampled_from(sorted(unfinished)))
            progress.done(done)
            unfinished.discard(done)
        assert progress.unfinished == len(unfinished)
        watermark = progress.to_commit()
        if watermark is not None:
            assert all(offset >= watermark for offset in unfinished)
            assert watermark > committed
            if data.draw(st.booleans()):
                progress.committed(watermark)
                committed = watermark
    if offsets:
        assert progress.to_commit() in {None, max(offsets) + 1}
