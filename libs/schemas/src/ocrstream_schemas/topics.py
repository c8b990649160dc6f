"""The topics of the contract: their names and configuration, the same in every deployment."""

from dataclasses import dataclass

IMAGES_SUBMITTED = "images.submitted"
BATCHES_COMMANDS = "batches.commands"
TASKS_LIFECYCLE = "tasks.lifecycle"
OCR_RESULTS = "ocr.results"
BATCHES_COMPLETED = "batches.completed"
WORKERS_HEARTBEATS = "workers.heartbeats"
DEAD_LETTER_SUFFIX = ".dlq"

LANES = ("urgent", "gpu")
"""The lanes beside the default one; the topic of a lane is `images.submitted.<lane>`."""

_HOUR_MS = 3600 * 1000
RETENTION_MS = 7 * 24 * _HOUR_MS
TIMESTAMP_AFTER_MAX_MS = _HOUR_MS
"""How far a record's timestamp may be ahead of the broker's clock."""
DEAD_LETTER_HEADROOM_BYTES = 64 * 1024
"""How much larger a dead letter may be than a record of its origin, because of its headers."""


def timestamp_limits(retention_ms: int) -> dict[str, str]:
    """Returns the configuration that limits how far timestamps may differ from the broker's clock.

    Kafka deletes by timestamp, so it would acknowledge a record older than the retention and delete
    it unread. The oldest accepted record stays for a seventh of the retention, a day of a week. A
    timestamp in the future would delay the deletion of its whole segment. Needs Kafka 3.6
    (KIP-937).
    """
    return {
        "message.timestamp.before.max.ms": str(retention_ms - retention_ms // 7),
        "message.timestamp.after.max.ms": str(TIMESTAMP_AFTER_MAX_MS),
    }


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The configuration of a topic. `max_message_bytes` limits a record with key and headers.

    A record's timestamp is the producer's, or with `timed_by_broker` the time of the append.
    `further_config` overrides further defaults of the broker.
    """

    name: str
    partitions: int
    max_message_bytes: int
    retention_ms: int = RETENTION_MS
    cleanup_policy: str = "delete"
    timed_by_broker: bool = False
    further_config: tuple[tuple[str, str], ...] = ()

    @property
    def config(self) -> dict[str, str]:
        """The topic's configuration by Kafka's names."""
        if self.timed_by_broker:
            times = {"message.timestamp.type": "LogAppendTime"}
        else:
            times = timestamp_limits(self.retention_ms)
        return {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(self.retention_ms),
            **times,
            **dict(self.further_config),
        }


def lane_topic(lane: str | None) -> str:
    """Returns the topic of a lane; None is the default lane."""
    return IMAGES_SUBMITTED if lane is None else f"{IMAGES_SUBMITTED}.{lane}"


def dead_letter_topic(topic: str) -> str:
    """Returns the dead-letter topic of `topic`."""
    return topic + DEAD_LETTER_SUFFIX


def is_images_topic(topic: str) -> bool:
    """Returns whether `topic` carries ImageSubmitted, on any lane."""
    return topic == IMAGES_SUBMITTED or topic.startswith(IMAGES_SUBMITTED + ".")


_KIB, _MIB = 1024, 1024 * 1024

IMAGE_TOPICS = (IMAGES_SUBMITTED, *(lane_topic(lane) for lane in LANES))
RECORDED_TOPICS = (BATCHES_COMMANDS, OCR_RESULTS, TASKS_LIFECYCLE, *IMAGE_TOPICS)
"""The topics that the recorder reads, those with most information first, images last."""

_ORIGINS = (
    TopicSpec(IMAGES_SUBMITTED, partitions=24, max_message_bytes=256 * _KIB),
    *(TopicSpec(lane_topic(lane), partitions=12, max_message_bytes=256 * _KIB) for lane in LANES),
    TopicSpec(BATCHES_COMMANDS, partitions=3, max_message_bytes=256 * _KIB),
    TopicSpec(TASKS_LIFECYCLE, partitions=12, max_message_bytes=256 * _KIB),
    TopicSpec(OCR_RESULTS, partitions=24, max_message_bytes=8 * _MIB),
    TopicSpec(BATCHES_COMPLETED, partitions=3, max_message_bytes=256 * _KIB),
    # Compacted, because a reader needs only the latest heartbeat of each worker. The broker sets
    # the timestamps, so that a worker's clock has no effect.
    TopicSpec(
        WORKERS_HEARTBEATS,
        partitions=1,
        max_message_bytes=16 * _KIB,
        retention_ms=_HOUR_MS,
        cleanup_policy="compact,delete",
        timed_by_broker=True,
        further_config=(("segment.ms", str(10 * 60 * 1000)),),
    ),
)
_DEAD_LETTERS = tuple(
    TopicSpec(
        dead_letter_topic(spec.name),
        partitions=1,
        max_message_bytes=spec.max_message_bytes + DEAD_LETTER_HEADROOM_BYTES,
    )
    for spec in _ORIGINS
    if spec.name in RECORDED_TOPICS
)

TOPICS: dict[str, TopicSpec] = {spec.name: spec for spec in (*_ORIGINS, *_DEAD_LETTERS)}

NEEDED_TOPICS = TOPICS.keys() - {WORKERS_HEARTBEATS}
"""The topics without which no service can work."""
