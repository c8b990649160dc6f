"""What the recorder counts."""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("ocrstream_recorder_records", "Records written, by topic", ["topic"])
ROWS = Counter("ocrstream_recorder_rows", "Rows inserted or changed, by kind", ["kind"])
POLL_SECONDS = Histogram(
    "ocrstream_recorder_poll_seconds",
    "How long a poll took, by stage",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15),
)
POLL_RETRIES = Counter("ocrstream_recorder_poll_retries", "Polls that had to be tried again")
OFFSETS_MOVED = Counter(
    "ocrstream_recorder_offsets_moved", "Polls that another replica had written already"
)
DEAD_LETTERS = Counter(
    "ocrstream_recorder_dead_letters", "Dead letters, by origin and reason", ["topic", "reason"]
)
PARTITIONS_STOPPED = Gauge(
    "ocrstream_recorder_partitions_stopped",
    "Partitions not read because the stored offset is not in the log",
)
OUTBOX_PUBLISHED = Counter("ocrstream_recorder_outbox_published", "Outbox rows sent", ["topic"])
OUTBOX_DROPPED = Counter(
    "ocrstream_recorder_outbox_dropped", "Outbox rows too large for their topic", ["topic"]
)
