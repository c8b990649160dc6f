"""The metrics of the recording process."""

from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from ocrstream_recorder.database.typed_rows import Table
from ocrstream_recorder.errors import IdleInTransactionError, SessionLostError
from ocrstream_recorder.rules.rejection import RejectionReason
from ocrstream_runtime.metrics import Family
from ocrstream_runtime.warning_labels import WARNING_LABELS, warning_label
from ocrstream_schemas.topics import RECORDED_TOPICS, TOPICS

Work = Literal["read", "write"]
Stage = Literal["lookup", "decode", "fold", "write"]
Transaction = Literal["poll", "search"]
SessionEnd = Literal["idle_in_transaction", "other"]
AttemptOutcome = Literal["delivered", "failed", "gave_up"]

RECORDS = Family[Counter, str](
    Counter("ocrstream_recorder_records", "Records written, by `topic`", ["topic"]),
    RECORDED_TOPICS,
)
RECORDS_DEDUPLICATED = Family[Counter, str](
    Counter(
        "ocrstream_recorder_records_deduplicated",
        "Records skipped because their fingerprints show that they were written before, by `topic`",
        ["topic"],
    ),
    RECORDED_TOPICS,
)
ROWS_STAGED = Family[Counter, Table](
    Counter(
        "ocrstream_recorder_rows_staged",
        "Rows that polls sent to the database to insert or change, by `table`",
        ["table"],
    ),
    get_args(Table),
)
ROWS_WRITTEN = Family[Counter, Table](
    Counter(
        "ocrstream_recorder_rows_written",
        "Rows that the database reported as inserted or changed, by `table`",
        ["table"],
    ),
    get_args(Table),
)
ROWS_MISSING = Family[Counter, Table](
    Counter(
        "ocrstream_recorder_rows_missing",
        "Rows that were staged and not written, by `table`; any is an alarm",
        ["table"],
    ),
    get_args(Table),
)
PUBLIC_PATHS_REFUSED = Counter(
    "ocrstream_recorder_public_paths_refused", "Images whose public path another image holds"
)
WARNINGS = Family[Counter, str](
    Counter(
        "ocrstream_recorder_warnings",
        "Results written that carry a warning, by its `code`; `other` are codes that this version"
        " does not know",
        ["code"],
    ),
    WARNING_LABELS,
)
BATCHES_COMPLETED = Counter(
    "ocrstream_recorder_batches_completed",
    "BatchCompleted events: ends of batches, and changes after an end",
)
DEADLINES_PASSED = Counter(
    "ocrstream_recorder_deadlines_passed", "Batches cancelled because their deadline passed"
)
IMAGES_RETRIED = Counter(
    "ocrstream_recorder_images_retried", "Images that a retry or a reprocessing submitted again"
)
POLL_RECORDS = Histogram(
    "ocrstream_recorder_poll_records",
    "Records of a poll",
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
)
POLL_SECONDS = Family[Histogram, Stage](
    Histogram(
        "ocrstream_recorder_poll_seconds",
        "Seconds that a poll took, by `stage`: lookup (of fingerprints), decode, fold, write (from"
        " its first lock to COMMIT)",
        ["stage"],
        buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 7.5, 15, 30),
    ),
    get_args(Stage),
)
SUBMITTED_TO_RECORDED_SECONDS = Histogram(
    "ocrstream_recorder_submitted_to_recorded_seconds",
    "Time from an image's submission to its result's commit",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3_600, 4 * 3_600, 24 * 3_600),
)
POLL_RETRIES = Counter("ocrstream_recorder_poll_retries", "Polls that the recorder retried")
SESSIONS_LOST = Family[Counter, Transaction, SessionEnd](
    Counter(
        "ocrstream_recorder_sessions_lost",
        "Database sessions that ended during a `transaction`: poll, search; by `cause`:"
        " idle_in_transaction (25P03, this process computed for too long), other",
        ["transaction", "cause"],
    ),
    get_args(Transaction),
    get_args(SessionEnd),
)
RETRYING = Family[Gauge, Work](
    Gauge(
        "ocrstream_recorder_retrying",
        "1 while the recorder retries a failed operation, by `work`: read, write",
        ["work"],
    ),
    get_args(Work),
)
OFFSET_CONFLICTS = Counter(
    "ocrstream_recorder_offset_conflicts",
    "Polls rolled back because another replica had written them",
)
DEAD_LETTERS = Family[Counter, str, RejectionReason](
    Counter(
        "ocrstream_recorder_dead_letters",
        "Dead letters, by `topic` of origin and `reason`",
        ["topic", "reason"],
    ),
    RECORDED_TOPICS,
    get_args(RejectionReason),
)
PARTITIONS_STOPPED = Family[Gauge, str](
    Gauge(
        "ocrstream_recorder_partitions_stopped",
        "Partitions not read because the stored offset is not in the log, by `topic`",
        ["topic"],
    ),
    RECORDED_TOPICS,
)
PARTITIONS_THROTTLED = Family[Gauge, str](
    Gauge(
        "ocrstream_recorder_partitions_throttled",
        "Partitions throttled because most of their records become dead letters, by `topic`",
        ["topic"],
    ),
    RECORDED_TOPICS,
)
LAG = Family[Gauge, str](
    Gauge(
        "ocrstream_recorder_lag_records",
        "Records of this recorder's partitions that are not written, by `topic`",
        ["topic"],
    ),
    RECORDED_TOPICS,
)
OUTBOX_WAITING = Gauge(
    "ocrstream_recorder_outbox_waiting_rows",
    "Outbox rows that are not sent, the same at every replica: take the greatest",
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "ocrstream_recorder_outbox_oldest_seconds",
    "How long the oldest outbox row waits, the same at every replica: take the greatest",
)
OUTBOX_PUBLISHED = Family[Counter, str](
    Counter("ocrstream_recorder_outbox_published", "Outbox rows sent, by `topic`", ["topic"]),
    TOPICS,
)
OUTBOX_DROPPED = Family[Counter, str](
    Counter(
        "ocrstream_recorder_outbox_dropped",
        "Outbox rows too large for their topic, by `topic`",
        ["topic"],
    ),
    TOPICS,
)
WEBHOOK_ATTEMPTS = Family[Counter, AttemptOutcome](
    Counter(
        "ocrstream_recorder_webhook_attempts",
        "Attempts to deliver to a webhook, by `outcome`: delivered, failed, gave_up",
        ["outcome"],
    ),
    get_args(AttemptOutcome),
)
WEBHOOKS_WAITING = Gauge(
    "ocrstream_recorder_webhooks_waiting",
    "Deliveries to webhooks that are pending, the same at every replica: take the greatest",
)
SEARCH_INDEXED = Counter(
    "ocrstream_recorder_search_indexed", "Images whose search keys this replica made"
)
SEARCH_WAITING = Gauge(
    "ocrstream_recorder_search_waiting_images",
    "Images that wait for the search index, counted up to 1,000,000, the same at every replica:"
    " take the greatest",
)
SEARCH_OLDEST_SECONDS = Gauge(
    "ocrstream_recorder_search_oldest_seconds",
    "How long the oldest image waits for the search index, the same at every replica: take the"
    " greatest",
)


def count_warnings(code: str, results: int) -> None:
    """Counts results that were written with a warning of this code, known or not."""
    WARNINGS.labels(warning_label(code)).inc(results)


def count_lost_session(transaction: Transaction, lost: SessionLostError) -> None:
    """Counts a database session that ended during a transaction."""
    is_idle = isinstance(lost, IdleInTransactionError)
    SESSIONS_LOST.labels(transaction, "idle_in_transaction" if is_idle else "other").inc()
