"""Results that no worker has made, for tests of what is recorded."""

from datetime import UTC, datetime, timedelta

from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, OcrSucceeded, TextBox
from ocrstream_schemas.topics import BATCHES_COMMANDS, OCR_RESULTS

_BOXES = 30


async def record_results(kafka: str, batch_id: str, images: int) -> None:
    """Write a batch and its results to Kafka, as ingest and workers would; 30 boxes an image."""
    read_at = datetime.now(UTC)
    settings = ServiceSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": kafka})
    boxes = tuple(
        TextBox(
            text=f"a line of text, number {number}",
            confidence=0.987,
            bbox=(
                (10.5, 20.0 + 30 * number),
                (410.0, 20.5 + 30 * number),
                (410.0, 44.0 + 30 * number),
                (10.0, 44.5 + 30 * number),
            ),
        )
        for number in range(_BOXES)
    )
    async with create_producer(settings, "test") as producer:
        announcement = BatchSubmitted(batch_id=batch_id, total_images=images)
        await producer.send_and_wait(BATCHES_COMMANDS, encode(announcement), key=batch_id.encode())
        for index in range(images):
            name = f"{batch_id}-{index:07}"
            result = OcrSucceeded(
                chain_id=name,
                image_path=f"file:///data/images/{name}.png",
                batch_id=batch_id,
                index=index,
                submitted_at=read_at,
                started_at=read_at,
                finished_at=read_at + timedelta(seconds=1),
                worker="test",
                boxes=boxes,
            )
            await producer.send(OCR_RESULTS, encode(result), key=name.encode())
        await producer.flush()
