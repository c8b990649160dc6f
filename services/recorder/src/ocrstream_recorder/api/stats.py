"""Statistics: what ended in each part of a time range."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ocrstream_recorder.api.http import Moment, with_example
from ocrstream_recorder.api.paging import Page
from ocrstream_recorder.api.queries import GeneralQueries, Queries, SqlQuery
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1/stats", tags=["stats"])

MAX_BUCKETS = 1000
MAX_DAYS = 92


class Bucket(BaseModel):
    """What ended in a part of a time range that begins at `begin`."""

    model_config = with_example(
        begin="2026-05-01T12:00:00Z",
        images=1200,
        completed_images=1190,
        failed_images=10,
        revoked_images=0,
        failed_by_reason={"no_text": 7, "not_found": 3},
        text_boxes=35700,
    )

    begin: datetime
    images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    failed_by_reason: dict[str, int]
    text_boxes: int
    """Of the images whose result still holds its path."""


@router.get("")
async def read_stats(
    queries: GeneralQueries,
    *,
    begin: Moment,
    end: Annotated[Moment | None, Query(description="Now, if left out")] = None,
    bucket_s: Annotated[int, Query(ge=1, le=MAX_DAYS * 86_400)] = 3600,
) -> Page[Bucket]:
    """Images by the time they ended, and their text boxes, from `begin` to before `end`.

    At most 1,000 buckets in 92 days; always one page, the earliest bucket first, empty ones too.
    """
    until = datetime.now(UTC) if end is None else end
    span = until - begin
    count = -(-span // timedelta(seconds=bucket_s))
    if not timedelta(0) < span <= timedelta(days=MAX_DAYS) or count > MAX_BUCKETS:
        raise ProblemError(
            422,
            "The request breaks its schema",
            f"query begin, end, bucket_s: end must be after begin, by {MAX_DAYS} days at most and"
            f" {MAX_BUCKETS} buckets at most; these are {span} and {count}",
        )
    return Page(items=await _buckets(queries, begin, until, bucket_s), next_cursor=None)


async def _buckets(queries: Queries, begin: datetime, end: datetime, bucket_s: int) -> list[Bucket]:
    length = timedelta(seconds=bucket_s)
    parameters = {
        "zone": queries.zone.name,
        "begin": begin,
        "bucket_s": bucket_s,
        "low": queries.zone.to_local(begin) - _HOUR,
        "high": queries.zone.to_local(end) + _HOUR,
    }
    by_status: defaultdict[int, Counter[str]] = defaultdict(Counter)
    by_reason: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for number, status, reason, count in await queries.rows(_IMAGES, parameters):
        by_status[number][status] += count
        if status == ProcessStatus.FAILURE and reason is not None:
            by_reason[number][reason] += count
    boxes: dict[int, int] = dict(await queries.rows(_BOXES, parameters))
    return [
        Bucket(
            begin=begin + number * length,
            images=by_status[number].total(),
            completed_images=by_status[number][ProcessStatus.SUCCESS],
            failed_images=by_status[number][ProcessStatus.FAILURE],
            revoked_images=by_status[number][ProcessStatus.REVOKED],
            failed_by_reason=dict(sorted(by_reason[number].items())),
            text_boxes=boxes.get(number, 0),
        )
        for number in range(-(-(end - begin) // length))
    ]


# The tables' times have no zone: an hour occurs twice where the zone sets its clocks back. The
# query reads an hour more at both ends, and `_buckets` leaves out what is outside its range.
_HOUR = timedelta(hours=1)
_ENDED = """
FROM (
    SELECT *, floor(
        extract(epoch FROM (finished_at AT TIME ZONE %(zone)s) - %(begin)s) / %(bucket_s)s
    )::int AS bucket
    FROM chain_executions
    WHERE finished_at >= %(low)s AND finished_at < %(high)s
) c
"""
_IMAGES = SqlQuery(
    f"SELECT c.bucket, c.status, c.reason, count(*) AS images {_ENDED} GROUP BY 1, 2, 3".encode()
)
# Results from before the recorder stored the number of boxes have it counted here.
_BOXES = SqlQuery(
    f"""
SELECT c.bucket, sum(coalesce(o.text_box_count, (
    SELECT count(*) FROM ocr_text_boxes b WHERE b.ocr_execution_id = o.id
)))::bigint AS boxes {_ENDED}
JOIN ocr_executions o ON o.chain_id = c.chain_id AND o.run = c.run
WHERE c.status = '{ProcessStatus.SUCCESS}'
GROUP BY 1
""".encode()
)
