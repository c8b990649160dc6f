"""Metrics of the serving process."""

from prometheus_client import Counter, Gauge

HEARTBEATS_SKIPPED = Counter(
    "ocrstream_recorder_heartbeats_skipped", "Records of the heartbeat topic that are no heartbeat"
)
ANSWERS_REPEATED = Counter(
    "ocrstream_recorder_answers_repeated", "Answers that the API served from its cache"
)
EVENT_LISTENERS = Gauge(
    "ocrstream_recorder_event_listeners", "Clients that listen to the events of batches"
)
EVENT_LISTENERS_REFUSED = Counter(
    "ocrstream_recorder_event_listeners_refused",
    "Clients that were refused the events of batches, since too many listened",
)
