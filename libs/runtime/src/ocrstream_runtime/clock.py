"""A machine whose clock is so wrong that Kafka refuses the times of its records."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

from aiokafka.errors import InvalidTimestampError, KafkaError


class ClockRefusedError(KafkaError):
    """Kafka refuses the time of a record; it takes the same one once the clock is set right."""

    def __init__(self) -> None:
        clock = datetime.now(UTC).isoformat(timespec="seconds")
        super().__init__(f"Kafka refuses the time of this machine's clock, {clock}; set it right")

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def clock_named() -> Generator[None]:
    """Raises ClockRefusedError for the broker's own error, which tells of no clock."""
    try:
        yield
    except InvalidTimestampError as error:
        raise ClockRefusedError from error
