"""The path about what was done over time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from ocrstream_recorder.api import stats_views
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Moment
from ocrstream_recorder.api.reading import Reads
from ocrstream_recorder.api.stats_models import Bucket
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1/stats", tags=["stats"])

MOST_BUCKETS = 1000
MOST_DAYS = 92


@router.get("")
async def read_stats(
    reading: Reads,
    *,
    begin: Moment,
    end: Annotated[Moment | None, Query(description="Now, if not given")] = None,
    bucket_s: Annotated[int, Query(ge=1, le=MOST_DAYS * 86_400)] = 3600,
) -> Page[Bucket]:
    """Images by when they ended, and their text boxes, in buckets from `begin` to before `end`.

    At most 1,000 buckets in 92 days; always one page, the earliest bucket first, empty ones too.
    """
    until = datetime.now(UTC) if end is None else end
    span = until - begin
    count = -(-span // timedelta(seconds=bucket_s))
    if not timedelta(0) < span <= timedelta(days=MOST_DAYS) or count > MOST_BUCKETS:
        raise ProblemError(
            422,
            "The request breaks its schema",
            f"query begin, end, bucket_s: end must be after begin, by {MOST_DAYS} days at most and"
            f" {MOST_BUCKETS} buckets at most; these are {span} and {count}",
        )
    buckets = await stats_views.buckets(reading, begin, until, bucket_s)
    return Page(items=buckets, next_cursor=None)
