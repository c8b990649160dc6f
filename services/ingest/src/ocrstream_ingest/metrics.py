"""What ingest counts."""

from prometheus_client import Counter

IMAGES = Counter("ocrstream_ingest_images", "Images whose references the broker has")
UPLOADED_BYTES = Counter("ocrstream_ingest_uploaded_bytes", "Bytes of files that were stored")
