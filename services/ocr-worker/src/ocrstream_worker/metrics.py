"""What the worker counts."""

from prometheus_client import Counter, Gauge, Histogram

IMAGES = Counter("ocrstream_worker_images", "Images done, by outcome", ["outcome"])
RETRIES = Counter("ocrstream_worker_retries", "Attempts that are tried again", ["reason"])
INVALID_RECORDS = Counter(
    "ocrstream_worker_invalid_records", "Records that are no valid submission"
)
IN_FLIGHT = Gauge("ocrstream_worker_images_in_flight", "Images taken and not done")
ENGINE_RESTARTS = Gauge("ocrstream_worker_engine_restarts", "Engine processes that were replaced")
ENGINE_BUSY_SECONDS = Gauge("ocrstream_worker_engine_busy_seconds", "Time the engine has computed")
STAGE_SECONDS = Histogram(
    "ocrstream_worker_stage_seconds",
    "How long an image took in each stage, waiting included",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
