"""What the process that answers counts."""

from prometheus_client import Counter, Gauge

INVALID_HEARTBEATS = Counter(
    "ocrstream_recorder_invalid_heartbeats", "Records that are no worker's heartbeat"
)
CACHE_HITS = Counter(
    "ocrstream_recorder_cache_hits", "Answers that came from the cache, as nothing had changed"
)
EVENT_LISTENERS = Gauge(
    "ocrstream_recorder_event_listeners", "Who listens to the events of batches now"
)
EVENT_LISTENERS_REFUSED = Counter(
    "ocrstream_recorder_event_listeners_refused",
    "Listeners to the events of batches that were told to come later",
)
