"""How many dead letters open the circuit of a partition, and how it closes again."""

import itertools
from collections.abc import Sequence

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.decoding import DecodedRecord
from ocrstream_recorder.rules.rejection import Rejection
from ocrstream_runtime.errors import NotReadyError

TOPIC = "images.submitted"
PARTITION = (TOPIC, 0)
INVALID, REFUSED = Rejection("invalid", "no JSON"), Rejection("refused_by_database", "too long")
GOOD = None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def decoded(offset: int, rejection: Rejection | None, partition: int = 0) -> DecodedRecord:
    record = ConsumerRecord[bytes | None, bytes | None](
        topic=TOPIC,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )
    return DecodedRecord(record, None, rejection)


class Log:
    """A partition whose records are read, admitted and written as a consumer does it."""

    def __init__(self, verdicts: Sequence[Rejection | None], limit: int) -> None:
        self.verdicts = verdicts
        self.clock = Clock()
        self.breaker = DeadLetterBreaker(limit, self.clock)
        self.next = 0
        self.breaker.begin(PARTITION, 0, ())

    def poll(self, size: int = 10_000) -> int:
        """Read once; returns how many records were written."""
        if not self.breaker.may_read(PARTITION):
            return 0
        some = [
            decoded(offset, verdict)
            for offset, verdict in enumerate(self.verdicts[self.next : self.next + size], self.next)
        ]
        admitted = self.breaker.admit(some)
        assert admitted == some[: len(admitted)]
        self.breaker.written(admitted)
        self.next += len(admitted)
        return len(admitted)

    @property
    def dead(self) -> set[int]:
        return {offset for offset in range(self.next) if self.verdicts[offset] is not None}

    def restart(self) -> None:
        window = self.breaker.window
        self.breaker = DeadLetterBreaker(self.breaker.limit, self.clock)
        recent = {offset for offset in self.dead if offset >= self.next - window}
        self.breaker.begin(PARTITION, self.next, recent)


def test_what_is_all_bad_opens_at_the_limit_and_is_tried_ever_more_rarely() -> None:
    log = Log([INVALID] * 1000, limit=20)
    assert log.poll() == 20
    assert log.poll() == 0
    written_at: list[float] = []
    for _ in range(600):
        log.clock.now += 1
        written_at += [log.clock.now] * log.poll()
    pauses = [b - a for a, b in itertools.pairwise(written_at)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 32]
    assert set(pauses[6:]) == {60}


def test_a_restart_gives_no_new_allowance_but_one_trial() -> None:
    log = Log([INVALID] * 1000, limit=20)
    log.poll()
    for _ in range(5):
        log.restart()
        assert log.poll() == 1
        assert log.poll() == 0


async def test_a_good_record_lets_it_go_on_at_once() -> None:
    log = Log([INVALID] * 25 + [GOOD] * 500, limit=20)
    log.poll()
    with pytest.raises(
        NotReadyError, match=r"1 partitions of images\.submitted.*no JSON.*dlq list"
    ):
        await log.breaker.check()
    while log.next < 25:
        log.clock.now += 60
        log.poll()
    log.clock.now += 60
    assert log.poll() == 1
    await log.breaker.check()
    assert log.poll() == 499


@given(st.lists(st.sampled_from([GOOD, INVALID]), max_size=300), st.integers(1, 40))
def test_a_circuit_opens_only_where_dead_letters_outnumber_the_good(
    verdicts: list[Rejection | None], limit: int
) -> None:
    log = Log(verdicts, limit)
    log.poll()
    if log.next == len(verdicts):
        return
    outnumbered = [
        2 * sum(one is not None for one in verdicts[start : log.next]) - (log.next - start)
        for start in range(log.next)
    ]
    assert max(outnumbered) == limit


@given(
    st.lists(st.sampled_from([GOOD, INVALID, INVALID]), max_size=200),
    st.integers(1, 20),
    st.lists(st.integers(1, 50), max_size=6),
)
def test_reading_in_parts_admits_what_reading_at_once_does(
    verdicts: list[Rejection | None], limit: int, sizes: list[int]
) -> None:
    whole, parts = Log(verdicts, limit), Log(verdicts, limit)
    whole.poll()
    for size in sizes:
        parts.poll(size)
    parts.poll()
    assert parts.next == whole.next


def test_few_bad_ones_of_one_user_open_nothing() -> None:
    log = Log([GOOD] * 3 + [INVALID] * 10 + [GOOD] * 200, limit=100)
    assert log.poll() == 213
    quarter = Log([INVALID, GOOD, GOOD, GOOD] * 1000, limit=5)
    assert quarter.poll() == 4000


def test_other_partitions_go_on() -> None:
    breaker = DeadLetterBreaker(3, Clock())
    for number in (0, 1):
        breaker.begin((TOPIC, number), 0, ())
    bad = [decoded(offset, INVALID, 0) for offset in range(10)]
    good = [decoded(offset, GOOD, 1) for offset in range(10)]
    assert breaker.admit(bad + good) == bad[:3] + good
    assert (breaker.may_read((TOPIC, 0)), breaker.may_read((TOPIC, 1))) == (False, True)


def test_what_the_database_refused_is_counted_anew_and_a_refused_trial_stays_open() -> None:
    breaker = DeadLetterBreaker(3, clock := Clock())
    breaker.begin(PARTITION, 0, ())
    admitted = breaker.admit([decoded(offset, GOOD) for offset in range(3)])
    assert breaker.written([one._replace(rejection=REFUSED) for one in admitted])
    breaker.begin(PARTITION, 3, {0, 1, 2})
    assert breaker.may_read(PARTITION)
    trial = breaker.admit([decoded(3, GOOD), decoded(4, GOOD)])
    assert [one.record.offset for one in trial] == [3]
    assert not breaker.written([trial[0]._replace(rejection=REFUSED)])
    assert not breaker.may_read(PARTITION)
    clock.now += 1
    trial = breaker.admit([decoded(4, GOOD), decoded(5, GOOD)])
    breaker.written(trial)
    assert len(breaker.admit([decoded(5, GOOD), decoded(6, GOOD)])) == 2


async def test_partitions_that_are_given_away_are_told_of_no_more() -> None:
    log = Log([INVALID] * 30, limit=20)
    log.poll()
    log.breaker.clear()
    await log.breaker.check()
