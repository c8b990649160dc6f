"""What the recorder's bench has it write: one batch, and a database that holds much already."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg

from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, ImageSubmitted, OcrSucceeded, TextBox
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED, OCR_RESULTS

BATCH_ID = "bench"
BOXES = 30
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def boxes() -> tuple[TextBox, ...]:
    """The text boxes of every image."""
    return tuple(
        TextBox(
            text=f"a line of text, number {number}",
            confidence=0.987,
            bbox=((10.5, 20.0), (410.0, 20.5), (410.0, 44.0), (10.0, 44.5)),
        )
        for number in range(BOXES)
    )


def result(
    chain_id: str,
    found: tuple[TextBox, ...],
    batch_id: str | None = None,
    index: int | None = None,
) -> OcrSucceeded:
    """The result of an image, as a worker sends it."""
    return OcrSucceeded(
        chain_id=chain_id,
        image_path=f"file:///bench/{chain_id}.png",
        source_name=f"{chain_id}.png",
        batch_id=batch_id,
        index=index,
        submitted_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=1),
        worker="bench",
        boxes=found,
    )


def records_of(images: int) -> int:
    """How many records `produce` writes."""
    return 2 * images + 1


async def produce(bootstrap: str, images: int) -> None:
    """One batch: its announcement, submissions and results, as ingest and workers send them."""
    settings = ServiceSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    found = boxes()
    async with create_producer(settings, "bench") as producer:
        announcement = BatchSubmitted(batch_id=BATCH_ID, total_images=images, submitted_at=NOON)
        await producer.send_and_wait(BATCHES_COMMANDS, encode(announcement), key=b"bench")
        for index in range(images):
            outcome = result(f"bench-{index:07}", found, BATCH_ID, index)
            submission = ImageSubmitted(
                chain_id=outcome.chain_id,
                image_path=outcome.image_path,
                source_name=outcome.source_name,
                batch_id=BATCH_ID,
                index=index,
                submitted_at=NOON,
            )
            key = outcome.chain_id.encode()
            await producer.send(IMAGES_SUBMITTED, encode(submission), key=key)
            await producer.send(OCR_RESULTS, encode(outcome), key=key)


# As many batches of 10,000 images as it takes; chains and paths spread over the indexes as ids do.
_FILL: tuple[LiteralString, ...] = (
    """
    INSERT INTO batch_executions (batch_id, run, status, total_images, completed_images,
                                  seen_images, total_known, announced_total, ended)
    SELECT 'old-' || b, 1, 'SUCCESS', 10000, 10000, 10000, true, 10000, true
    FROM generate_series(0, (%(images)s - 1) / 10000) b
    """,
    """
    INSERT INTO chain_executions (chain_id, batch_id, status, run, total_tasks, completed_tasks,
                                  image_index, input_data, chain_name, celery_task_id, ranks)
    SELECT md5('chain' || i), 'old-' || i / 10000, 'SUCCESS', 1, 1, 1, i %% 10000,
           json_build_object('image_path', 'file:///old/' || md5('path' || i)),
           'batch_image_' || i %% 10000, md5('task' || i), '{0,0,6,6,0,0,0,0}'
    FROM generate_series(0, %(images)s - 1) i
    """,
    """
    INSERT INTO task_logs (task_id, task_name, status, run, chain_execution_id, started_at)
    SELECT celery_task_id, 'ocr', 'SUCCESS', 1, id, timestamp '2026-01-01' + id * interval '1 s'
    FROM chain_executions
    """,
    """
    INSERT INTO ocr_executions (chain_id, image_path, status, run, submitted_at)
    SELECT chain_id, input_data->>'image_path', 'success', 1, timestamp '2026-01-01'
    FROM chain_executions
    """,
    """
    INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox)
    SELECT o.id, {text}, random(), '[[10.5,20],[410,20.5],[410,44],[10,44]]'
    FROM ocr_executions o, generate_series(1, %(boxes)s) n
    """,
)
_SAME_TEXT: LiteralString = "'a line of text, number ' || n"


def fill(url: str, images: int, text: LiteralString = _SAME_TEXT) -> None:
    """Put images with `BOXES` boxes each into an empty database, as if it had long been in use.

    `text`: SQL for the text of box `n` of the image `o`.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _FILL:
            parameters = {"images": images, "boxes": BOXES}
            connection.execute(statement.replace("{text}", text), parameters)
        connection.execute("VACUUM (ANALYZE)")
