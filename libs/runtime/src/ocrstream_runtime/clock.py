"""Translates Kafka's refusal of a record's timestamp into an error that names the clock."""

from collections.abc import Generator
from contextlib import contextmanager

from aiokafka.errors import InvalidTimestampError

from ocrstream_runtime.errors import ClockRefusedError


@contextmanager
def translate_clock_errors() -> Generator[None]:
    """Raises ClockRefusedError for the broker's own error, which does not mention the clock."""
    try:
        yield
    except InvalidTimestampError as error:
        raise ClockRefusedError from error
