"""What the worker counts."""

from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from ocrstream_runtime.metrics import Family
from ocrstream_schemas.events import Reason
from ocrstream_schemas.topics import IMAGE_TOPICS

Success = Literal["success"]
Stage = Literal["fetch", "decode", "recognize", "publish"]

IMAGES = Family[Counter, Success | Reason](
    Counter(
        "ocrstream_worker_images", "Images done, by `outcome`: success or why not", ["outcome"]
    ),
    (*get_args(Success), *Reason),
)
BOXES = Counter("ocrstream_worker_boxes", "Text boxes in published results")
RETRIES = Family[Counter, Reason](
    Counter("ocrstream_worker_retries", "Attempts that are tried again, by `reason`", ["reason"]),
    Reason,
)
INVALID_RECORDS = Counter(
    "ocrstream_worker_invalid_records", "Records that are no valid submission"
)
IMAGES_IN_FLIGHT = Gauge("ocrstream_worker_images_in_flight", "Images taken and not done")
ENGINE_RESTARTS = Counter("ocrstream_worker_engine_restarts", "Engine processes that were replaced")
ENGINE_BUSY_SECONDS = Counter(
    "ocrstream_worker_engine_busy_seconds",
    "Time the engine has computed; its rate is the share of time that the engine is busy",
)
STAGE_SECONDS = Family[Histogram, Stage](
    Histogram(
        "ocrstream_worker_stage_seconds",
        "How long an image took, by `stage`: fetch, decode, recognize, publish; waiting included",
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
