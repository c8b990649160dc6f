"""How many records the next transaction may write."""

from hypothesis import given
from hypothesis import strategies as st

from ocrstream_recorder.database.transaction_size import TransactionSize

TIMEOUT_S = 30.0
LONGEST_S = TIMEOUT_S / 4
MOST = 2_000
sizes = st.integers(1, MOST)
seconds = st.floats(0, 10 * TIMEOUT_S)
histories = st.lists(st.tuples(sizes, st.none() | seconds), max_size=20)


def after(history: list[tuple[int, float | None]]) -> TransactionSize:
    """After transactions of so many records that took so long, or failed."""
    size = TransactionSize(MOST, TIMEOUT_S)
    for records, took_s in history:
        tell(size, records, took_s)
        assert 1 <= size.next <= MOST
    return size


def tell(size: TransactionSize, records: int, took_s: float | None) -> None:
    if took_s is None:
        size.failed(records)
    else:
        size.committed(records, took_s)


@given(history=histories, records=sizes)
def test_after_a_failure_it_is_half_at_most_and_one_at_least(
    history: list[tuple[int, float | None]], records: int
) -> None:
    size = after(history)
    size.failed(records)
    assert size.next <= max(1, records // 2)


@given(history=histories, records=sizes, took_s=st.floats(LONGEST_S * 1.0001, 10 * TIMEOUT_S))
def test_after_one_that_took_too_long_as_many_follow_as_are_fast_enough(
    history: list[tuple[int, float | None]], records: int, took_s: float
) -> None:
    size = after(history)
    size.committed(records, took_s)
    assert size.next == 1 or size.next * took_s / records < LONGEST_S


@given(history=histories, records=sizes, took_s=st.floats(0, LONGEST_S))
def test_success_never_shrinks_it_and_grows_it_by_what_was_seen(
    history: list[tuple[int, float | None]], records: int, took_s: float
) -> None:
    size = after(history)
    before = size.next
    size.committed(records, took_s)
    assert before <= size.next <= max(before, 2 * records)


@given(history=histories, a_record_s=st.floats(1e-6, TIMEOUT_S))
def test_it_settles_where_a_transaction_is_fast_enough(
    history: list[tuple[int, float | None]], a_record_s: float
) -> None:
    """Whatever was before: then none takes too long, and half of what could be is written."""
    size = after(history)
    fits = LONGEST_S / a_record_s
    for _ in range(2 * MOST.bit_length()):
        took_s = size.next * a_record_s
        tell(size, size.next, took_s if took_s < TIMEOUT_S else None)
    for _ in range(5):
        assert size.next <= max(1, fits)
        assert size.next >= min(MOST, fits // 2 - 1)
        tell(size, size.next, size.next * a_record_s)
