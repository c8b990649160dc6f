"""A publisher without a broker, for tests of the API."""

import time
from collections.abc import Sequence

from ocrstream_ingest.publisher import Publisher, Record
from ocrstream_runtime.errors import ProblemError
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import decode
from ocrstream_schemas.events import (
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
)
from ocrstream_schemas.ids import RecordRef


class FakePublisher(Publisher):
    """Keeps the events that are published, which every reader must accept.

    `failures`: how many of the next calls fail as if the broker were away.
    """

    def __init__(self) -> None:
        super().__init__(ServiceSettings(), "test", timeout_s=1.0)
        self.batches: list[BatchSubmitted] = []
        self.images: list[ImageSubmitted] = []
        self.commands: list[BatchRevoked | BatchRetryRequested] = []
        self.topics: list[str] = []
        self.failures = 0

    async def publish(self, batch_id: str, records: Sequence[Record]) -> None:
        if self.failures:
            self.failures -= 1
            raise ProblemError(503, "Kafka unavailable", "in this test")
        for topic, key, value, _ in records:
            event = decode(topic, value, RecordRef(topic, 0, 0, int(time.time() * 1000)))
            if isinstance(event, ImageSubmitted):
                assert key.decode() == event.chain_id
                self.images.append(event)
                self.topics.append(topic)
                continue
            assert key.decode() == batch_id
            if isinstance(event, BatchSubmitted):
                self.batches.append(event)
            else:
                assert isinstance(event, BatchRevoked | BatchRetryRequested)
                self.commands.append(event)
