"""What the process that answers counts."""

from prometheus_client import Counter, Gauge

HEARTBEATS_SKIPPED = Counter(
    "ocrstream_recorder_heartbeats_skipped", "Records that are no worker's heartbeat"
)
ANSWERS_REPEATED = Counter(
    "ocrstream_recorder_answers_repeated", "Answers from before that still held, so were not made"
)
EVENT_LISTENERS = Gauge(
    "ocrstream_recorder_event_listeners", "Who listens to the events of batches now"
)
EVENT_LISTENERS_REFUSED = Counter(
    "ocrstream_recorder_event_listeners_refused",
    "Listeners to the events of batches that were told to come later",
)
