"""The queries behind the stats' path."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from sqlalchemy import text

from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.api.stats_models import Bucket
from ocrstream_recorder.rules.status import ProcessStatus

# The tables' times have no zone: where its clocks are set back an hour comes twice. So the range
# is read an hour wider at both ends, and what falls outside the buckets is left out.
_ENDED = """
FROM (
    SELECT *, floor(extract(epoch FROM (finished_at AT TIME ZONE :zone) - :begin) / :bucket_s)::int
        AS bucket
    FROM chain_executions
    WHERE finished_at >= :low AND finished_at < :high
) c
"""
_COUNTS = text(f"""
SELECT c.bucket, c.status, c.reason, count(*) {_ENDED} GROUP BY 1, 2, 3
""")
# A result from before boxes were counted as they are written has them counted now.
_BOXES = text(f"""
SELECT c.bucket, sum(coalesce(o.text_box_count, (
    SELECT count(*) FROM ocr_text_boxes b WHERE b.ocr_execution_id = o.id
)))::bigint {_ENDED}
JOIN ocr_executions o ON o.chain_id = c.chain_id AND o.run = c.run
WHERE c.status = '{ProcessStatus.SUCCESS}'
GROUP BY 1
""")
_AN_HOUR = timedelta(hours=1)


async def buckets(reading: Reading, begin: datetime, end: datetime, bucket_s: int) -> list[Bucket]:
    """What ended from `begin` to before `end`, the earliest bucket first, empty ones too."""
    length = timedelta(seconds=bucket_s)
    asked = {
        "zone": reading.zone.name,
        "begin": begin,
        "bucket_s": bucket_s,
        "low": reading.zone.to_local(begin) - _AN_HOUR,
        "high": reading.zone.to_local(end) + _AN_HOUR,
    }
    by_status: defaultdict[int, Counter[str]] = defaultdict(Counter)
    by_reason: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for number, status, reason, count in await reading.session.execute(_COUNTS, asked):
        by_status[number][status] += count
        if status == ProcessStatus.FAILURE and reason is not None:
            by_reason[number][reason] += count
    boxes: dict[int, int] = dict((await reading.session.execute(_BOXES, asked)).all())
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
