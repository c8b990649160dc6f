"""GET /v1/lag: how many records wait, for whom."""

from typing import Any, Literal

from aiokafka import TopicPartition
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import select

from ocrstream_recorder.api.models import Page, with_example
from ocrstream_recorder.api.reading import Reading, Reads
from ocrstream_recorder.database.tables import RecorderOffset
from ocrstream_recorder.errors import LagUnknownError
from ocrstream_recorder.monitoring.consumer_lag import LagReader
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.topics import IMAGE_TOPICS, IMAGES_SUBMITTED, RECORDED_TOPICS

router = APIRouter(prefix="/v1", tags=["workers"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    503: {"description": "Kafka or the database cannot be asked now"}
}
_DEFAULT_LANE = "default"


class TopicLag(BaseModel):
    """How many records of a topic wait for one of its readers."""

    model_config = with_example(
        reader="workers",
        group="ocr-worker",
        topic="images.submitted.urgent",
        lane="urgent",
        waiting_records=17,
    )

    reader: Literal["recorder", "workers"]
    group: str | None
    """The workers' consumer group; null for the recorder, whose progress its database has."""
    topic: str
    lane: str | None
    """Of a topic of images."""
    waiting_records: int


@router.get("/lag", responses=_UNKNOWN)
async def read_lag(request: Request, reading: Reads) -> Page[TopicLag]:
    """Records that wait to be recorded, and images that wait to be read; always one page.

    It is as old as a second. Work is done when it is committed: images that workers have in hand
    still wait.
    """
    reader: LagReader | None = request.app.state.lag
    try:
        if reader is None:
            raise LagUnknownError("nothing asks Kafka here")
        logs = await reader.look()
    except LagUnknownError as error:
        raise Problem(
            503, "The lag is not known now", str(error), headers={"Retry-After": "2"}
        ) from error
    recorded = await _recorded(reading, logs.cluster_id)
    return Page(
        items=[
            *(
                TopicLag(
                    reader="workers",
                    group=reader.worker_group,
                    topic=topic,
                    lane=_lane(topic),
                    waiting_records=logs.waiting(topic, logs.worked_off),
                )
                for topic in IMAGE_TOPICS
            ),
            *(
                TopicLag(
                    reader="recorder",
                    group=None,
                    topic=topic,
                    lane=_lane(topic),
                    waiting_records=logs.waiting(topic, recorded),
                )
                for topic in RECORDED_TOPICS
            ),
        ],
        next_cursor=None,
    )


async def _recorded(reading: Reading, cluster_id: str) -> dict[TopicPartition, int]:
    """Where the database is: what the recorder has committed to Kafka may be behind or, after a
    restore, ahead of it.
    """
    found = await reading.session.execute(
        select(RecorderOffset.topic, RecorderOffset.partition, RecorderOffset.next_offset).where(
            RecorderOffset.cluster_id == cluster_id
        )
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in found}


def _lane(topic: str) -> str | None:
    if topic not in IMAGE_TOPICS:
        return None
    return topic.removeprefix(IMAGES_SUBMITTED).removeprefix(".") or _DEFAULT_LANE
