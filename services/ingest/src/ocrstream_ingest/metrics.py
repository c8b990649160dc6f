"""Ingest's metrics."""

from prometheus_client import Counter, Gauge

from ocrstream_runtime.metrics import Family
from ocrstream_schemas.topics import IMAGE_TOPICS

IMAGES = Counter("ocrstream_ingest_images", "Images whose references the broker acknowledged")
UPLOADED_BYTES = Counter("ocrstream_ingest_uploaded_bytes", "Bytes of stored uploads")
WAITING_IMAGES: Family[Gauge, str] = Family(
    Gauge(
        "ocrstream_ingest_waiting_images",
        "Images that the workers have not finished, by `topic`; every replica reports the same, so"
        " take the maximum",
        ["topic"],
    ),
    IMAGE_TOPICS,
)
