"""Metrics of the serving process."""

from prometheus_client import Counter, Gauge

INVALID_HEARTBEATS = Counter(
    "ocrstream_recorder_invalid_heartbeats", "Records of the heartbeat topic that are no heartbeat"
)
CACHE_HITS = Counter("ocrstream_recorder_cache_hits", "Answers that the API served from its cache")
EVENT_LISTENERS = Gauge(
    "ocrstream_recorder_event_listeners", "Clients that listen to the events of batches"
)
EVENT_LISTENERS_REFUSED = Counter(
    "ocrstream_recorder_event_listeners_refused",
    "Clients that were refused the events of batches, since too many listened",
)
