"""What the metrics and the log show of a written poll."""

from collections import Counter
from datetime import UTC, datetime

import structlog

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording.decoding import DecodedRecord
from ocrstream_recorder.recording.poll_transaction import Written

logger = structlog.get_logger(__name__)


def report(records: list[DecodedRecord], written: Written, zone: DatabaseZone) -> None:
    """Count what was written of these records, and log it; rows that are missing are an error."""
    recording_metrics.POLL_RECORDS.observe(len(records))
    for topic, count in Counter(decoded.record.topic for decoded in records).items():
        recording_metrics.RECORDS.labels(topic).inc(count)
    known = Counter(decoded.record.topic for decoded in records if decoded.known)
    for topic, count in known.items():
        recording_metrics.RECORDS_DEDUPLICATED.labels(topic).inc(count)
    for table, rows in written.rows.items():
        recording_metrics.ROWS_STAGED.labels(table).inc(rows.staged)
        recording_metrics.ROWS_WRITTEN.labels(table).inc(rows.written)
        recording_metrics.ROWS_MISSING.labels(table).inc(max(0, rows.staged - rows.written))
    recording_metrics.PUBLIC_PATHS_REFUSED.inc(written.refused_public_paths)
    for code, count in written.warnings.items():
        recording_metrics.count_warnings(code, count)
    recording_metrics.BATCHES_COMPLETED.inc(written.batches_completed)
    _report_delays(records, zone)
    log = logger.debug
    if any(rows.staged != rows.written for rows in written.rows.values()):
        log = logger.error
    log(
        "poll written",
        records=len(records),
        known=known.total(),
        staged={table: rows.staged for table, rows in written.rows.items()},
        written={table: rows.written for table, rows in written.rows.items()},
    )


def _report_delays(records: list[DecodedRecord], zone: DatabaseZone) -> None:
    now = datetime.now(UTC)
    for decoded in records:
        if decoded.changes is not None and decoded.changes.image is not None:
            submitted_at = zone.to_utc(decoded.changes.image.submitted_at)
            took_s = (now - submitted_at).total_seconds()
            # Submitted by a clock that is ahead of ours: at once.
            recording_metrics.SUBMITTED_TO_RECORDED_SECONDS.observe(max(0.0, took_s))
