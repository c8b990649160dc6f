"""Consumer lag: `/v1/lag`, how many records wait for the recorder and for the workers."""

from typing import Literal

from aiokafka import TopicPartition
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import bindparam, select

from ocrstream_recorder.api.http import Responses, with_example
from ocrstream_recorder.api.paging import Page
from ocrstream_recorder.api.queries import GeneralQueries, Queries, SqlQuery
from ocrstream_recorder.database.tables import RecorderOffset
from ocrstream_recorder.errors import LagUnknownError
from ocrstream_recorder.monitoring.consumer_lag import LagReader
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.topics import IMAGE_TOPICS, IMAGES_SUBMITTED, RECORDED_TOPICS

router = APIRouter(prefix="/v1", tags=["workers"])

_UNAVAILABLE: Responses = {503: {"description": "Kafka or the database is unavailable"}}
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
    """The consumer group of the workers; null for the recorder, whose database has its offsets."""
    topic: str
    lane: str | None
    """The lane of a topic of images; null for other topics."""
    waiting_records: int


@router.get("/lag", responses=_UNAVAILABLE)
async def read_lag(request: Request, queries: GeneralQueries) -> Page[TopicLag]:
    """Records that wait for the recorder, and images that wait for workers; always one page.

    The answer may be a second old. An image waits until its worker commits it, images in flight
    included.
    """
    reader: LagReader | None = request.app.state.lag_reader
    try:
        if reader is None:
            raise LagUnknownError("this process does not read the lag")
        logs = await reader.read()
    except LagUnknownError as error:
        raise ProblemError(
            503, "Consumer lag unavailable", str(error), headers={"Retry-After": "2"}
        ) from error
    recorded = await _recorded_offsets(queries, logs.cluster_id)
    workers = [
        TopicLag(
            reader="workers",
            group=reader.worker_group,
            topic=topic,
            lane=_lane(topic),
            waiting_records=logs.waiting(topic, logs.committed),
        )
        for topic in IMAGE_TOPICS
    ]
    recorder = [
        TopicLag(
            reader="recorder",
            group=None,
            topic=topic,
            lane=_lane(topic),
            waiting_records=logs.waiting(topic, recorded),
        )
        for topic in RECORDED_TOPICS
    ]
    return Page(items=[*workers, *recorder], next_cursor=None)


async def _recorded_offsets(queries: Queries, cluster_id: str) -> dict[TopicPartition, int]:
    """The next offsets that the database has.

    Those that the recorder committed to Kafka may be behind them or, after a restore, ahead.
    """
    rows = await queries.rows(_OFFSETS, {"cluster_id": cluster_id})
    return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}


_OFFSETS = SqlQuery(
    select(RecorderOffset.topic, RecorderOffset.partition, RecorderOffset.next_offset).where(
        RecorderOffset.cluster_id == bindparam("cluster_id")
    )
)


def _lane(topic: str) -> str | None:
    if topic not in IMAGE_TOPICS:
        return None
    return topic.removeprefix(IMAGES_SUBMITTED).removeprefix(".") or _DEFAULT_LANE
