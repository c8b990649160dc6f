"""Keys spread as by everybody else's producer."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_ingest.partitioner import partition_of


@given(st.binary(max_size=80), st.integers(1, 48))
def test_the_partition_is_that_of_the_default_partitioner(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, partitions, partitions)
