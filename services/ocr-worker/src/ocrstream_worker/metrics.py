"""The worker's metrics."""

from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from ocrstream_runtime.metrics import Family
from ocrstream_runtime.warning_labels import WARNING_LABELS, warning_label
from ocrstream_schemas.events import Event, OcrFailed, OcrSucceeded, Reason
from ocrstream_schemas.topics import IMAGE_TOPICS

Success = Literal["success"]
Stage = Literal["fetch", "decode", "recognize", "publish", "backoff"]
Child = Literal["engine", "decoder"]
ReuseOutcome = Literal["found", "missing", "unreadable", "unwritable"]

IMAGES = Family[Counter, Success | Reason](
    Counter(
        "ocrstream_worker_images",
        "Images done, by `outcome`: success or the reason of the failure",
        ["outcome"],
    ),
    (*get_args(Success), *Reason),
)
BOXES = Counter("ocrstream_worker_boxes", "Text boxes in published results")
WARNINGS = Family[Counter, str](
    Counter(
        "ocrstream_worker_warnings",
        "Published results that carry a warning, by `code`: unreadable_script, low_confidence,"
        " small_text, reduced_resolution; and other, in stored results of newer workers",
        ["code"],
    ),
    WARNING_LABELS,
)
RETRIES = Family[Counter, Reason](
    Counter(
        "ocrstream_worker_retries", "Failed attempts that are retried, by `reason`", ["reason"]
    ),
    Reason,
)
INVALID_RECORDS = Counter(
    "ocrstream_worker_invalid_records", "Records that are not a valid submission"
)
DELETED_UNREAD = Family[Counter, str](
    Counter(
        "ocrstream_worker_deleted_unread",
        "Records that Kafka deleted before the workers read them, by `topic`; any is an alarm",
        ["topic"],
    ),
    IMAGE_TOPICS,
)
REUSE = Family[Counter, ReuseOutcome](
    Counter(
        "ocrstream_worker_reuse",
        "Images submitted with reuse, by `outcome`: found (the engine does not run), missing; and"
        " stored results that cannot be read (unreadable) or written (unwritable)",
        ["outcome"],
    ),
    get_args(ReuseOutcome),
)
IMAGES_IN_FLIGHT = Gauge(
    "ocrstream_worker_images_in_flight",
    "Images consumed and not done, including those that back off before a retry",
)
STAGE_IMAGES = Family[Gauge, Stage](
    Gauge(
        "ocrstream_worker_stage_images",
        "Images in each `stage` or waiting for it: fetch, decode, recognize, publish; and backoff,"
        " the delay before a retry",
        ["stage"],
    ),
    get_args(Stage),
)
RESTARTS = Family[Counter, Child](
    Counter(
        "ocrstream_worker_process_restarts",
        "Processes replaced because they died, hung or were starved of CPU, by `process`",
        ["process"],
    ),
    get_args(Child),
)
CRASH_LOOP = Family[Gauge, Child](
    Gauge(
        "ocrstream_worker_crash_loop",
        "1 while images are held because processes died too often in a row, by `process`",
        ["process"],
    ),
    get_args(Child),
)
PROCESS_STARVED = Family[Gauge, Child](
    Gauge(
        "ocrstream_worker_process_starved",
        "How often in a row a process was killed because it got too little CPU, by `process`; 0"
        " once an image is done",
        ["process"],
    ),
    get_args(Child),
)
RECYCLED = Family[Counter, Child](
    Counter(
        "ocrstream_worker_process_recycled",
        "Processes replaced after their number of images or at their memory limit, by `process`",
        ["process"],
    ),
    get_args(Child),
)
BUSY_SECONDS = Family[Counter, Child](
    Counter(
        "ocrstream_worker_process_busy_seconds",
        "Seconds of work, by `process`; the engine's rate is the share of time in which it is busy",
        ["process"],
    ),
    get_args(Child),
)
BATCH_IMAGES = Family[Histogram, Child](
    Histogram(
        "ocrstream_worker_batch_images",
        "Images in one batch, by `process`",
        ["process"],
        buckets=(1, 2, 4, 8, 16, 32, 64),
    ),
    get_args(Child),
)
STAGE_SECONDS = Family[Histogram, Stage](
    Histogram(
        "ocrstream_worker_stage_seconds",
        "Seconds that an image spent in each `stage`, waiting included: fetch, decode, recognize,"
        " publish; and backoff, the delay before a retry",
        ["stage"],
        buckets=(0.002, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
    ),
    get_args(Stage),
)
LAG = Family[Gauge, str](
    Gauge(
        "ocrstream_worker_lag_records",
        "Records of this worker's partitions that are not done, by `topic`",
        ["topic"],
    ),
    IMAGE_TOPICS,
)


def count_warnings(event: Event) -> None:
    """Counts the warnings of an outcome, each code once."""
    if isinstance(event, OcrSucceeded | OcrFailed) and event.provenance is not None:
        for label in {warning_label(warning.code) for warning in event.provenance.warnings}:
            WARNINGS.labels(label).inc()
