"""Pace and ETA of a batch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_recorder.rules.throughput import WINDOW_S, eta_s, images_per_s

times = st.floats(0, 1e9)


def counted(arrivals: list[tuple[float, int]], at: float) -> float:
    """`recent_images` of a batch, images of which were done at these times."""
    return sum(count * math.exp(-(at - time) / WINDOW_S) for time, count in arrivals if time <= at)


@given(per_s=st.integers(1, 5_000), for_s=st.integers(1, 600))
def test_a_steady_pace_is_told_from_the_first_second(per_s: int, for_s: int) -> None:
    arrivals = [(i / 10, per_s) for i in range(1, 10 * for_s + 1)]
    told = images_per_s(counted(arrivals, for_s), 0, for_s)
    assert told == pytest.approx(10 * per_s, rel=0.01)


@given(recent=st.floats(0, 1e9), ago_s=times, known_s=times, more_s=times)
def test_it_only_falls_while_nothing_is_done(
    recent: float, ago_s: float, known_s: float, more_s: float
) -> None:
    now = images_per_s(recent, ago_s, known_s)
    assert 0 <= images_per_s(recent, ago_s + more_s, known_s + more_s) <= now


def test_what_stands_still_has_no_pace_and_no_eta() -> None:
    pace = images_per_s(1_000, 3_600, 7_200)
    assert pace == 0
    assert eta_s(5, pace) is None


@given(left=st.integers(0, 10**9), pace=st.floats(0.001, 1e6))
def test_at_that_pace_all_are_done_by_then(left: int, pace: float) -> None:
    told = eta_s(left, pace)
    assert told is not None
    assert told * pace == pytest.approx(left, abs=pace)
