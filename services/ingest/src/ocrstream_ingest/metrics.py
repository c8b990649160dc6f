"""What ingest counts."""

from prometheus_client import Counter, Gauge

from ocrstream_runtime.metrics import Family
from ocrstream_schemas.topics import IMAGE_TOPICS

IMAGES = Counter("ocrstream_ingest_images", "Images whose references the broker has")
UPLOADED_BYTES = Counter("ocrstream_ingest_uploaded_bytes", "Bytes of files that were stored")
WAITING_IMAGES: Family[Gauge, str] = Family(
    Gauge(
        "ocrstream_ingest_waiting_images",
        "Images that the workers have not done, by `topic`; the same at every replica: take the"
        " greatest",
        ["topic"],
    ),
    IMAGE_TOPICS,
)
