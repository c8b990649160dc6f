"""The first lane comes before the others, which still get a tenth."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ocrstream_worker.lanes import LaneOrder

NAMES = ("a", "b", "c", "d")


@given(st.integers(1, 4), st.integers(1, 20))
def test_while_all_lanes_are_full_nine_of_ten_come_from_the_first(lanes: int, tens: int) -> None:
    order = LaneOrder(NAMES[:lanes])
    served = Counter(order.next()[0] for _ in range(10 * tens))
    assert served["a"] == (10 * tens if lanes == 1 else 9 * tens)
    others = [served[name] for name in NAMES[1:lanes]]
    assert not others or max(others) - min(others) <= 1


@given(st.integers(1, 4), st.integers(1, 50))
def test_every_lane_is_asked_each_time_so_none_waits_while_others_are_empty(
    lanes: int, turns: int
) -> None:
    order = LaneOrder(NAMES[:lanes])
    for _ in range(turns):
        assert sorted(order.next()) == sorted(NAMES[:lanes])
