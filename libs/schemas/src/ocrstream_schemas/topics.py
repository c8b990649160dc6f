"""The topics: names and how each is created, on every kind of deployment."""

from dataclasses import dataclass

IMAGES_SUBMITTED = "images.submitted"
BATCHES_COMMANDS = "batches.commands"
TASKS_LIFECYCLE = "tasks.lifecycle"
OCR_RESULTS = "ocr.results"
BATCHES_COMPLETED = "batches.completed"
WORKERS_HEARTBEATS = "workers.heartbeats"
DEAD_LETTER_SUFFIX = ".dlq"

LANES = ("urgent", "gpu")
"""Declared lanes of `images.submitted`; a lane's topic is `images.submitted.<lane>`."""

_HOUR_MS = 3600 * 1000
RETENTION_MS = 7 * 24 * _HOUR_MS
DEAD_LETTER_HEADROOM_BYTES = 64 * 1024
"""How much larger a dead letter may be than a record of its origin: its headers tell where from."""


def timestamp_limits(retention_ms: int) -> dict[str, str]:
    """How far a record's timestamp may be from the broker's clock, as a topic's configuration.

    Kafka deletes by timestamp: what is older than the retention would be acknowledged and deleted
    unread. The oldest that is taken stays for a seventh of the retention, a day of a week. One that
    is ahead keeps what was written beside it from being deleted. Needs Kafka 3.6 (KIP-937).
    """
    return {
        "message.timestamp.before.max.ms": str(retention_ms - retention_ms // 7),
        "message.timestamp.after.max.ms": str(_HOUR_MS),
    }


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created. `max_message_bytes` bounds one record, key and headers included.

    Records have the time that their producer gives, or that at which the broker has them.
    `further_config` is what else differs from the broker's own defaults.
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
        """The topic's configuration as Kafka names it."""
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
    """The topic of a lane; None is the default lane."""
    return IMAGES_SUBMITTED if lane is None else f"{IMAGES_SUBMITTED}.{lane}"


def dead_letter_topic(topic: str) -> str:
    """Where what cannot be applied from `topic` is kept."""
    return topic + DEAD_LETTER_SUFFIX


def is_images_topic(topic: str) -> bool:
    """Whether `topic` carries ImageSubmitted, on any lane."""
    return topic == IMAGES_SUBMITTED or topic.startswith(IMAGES_SUBMITTED + ".")


_KIB, _MIB = 1024, 1024 * 1024

IMAGE_TOPICS = (IMAGES_SUBMITTED, *(lane_topic(lane) for lane in LANES))
RECORDED_TOPICS = (BATCHES_COMMANDS, OCR_RESULTS, TASKS_LIFECYCLE, *IMAGE_TOPICS)
"""What the recorder reads, the most telling first, `images.submitted` last."""

_ORIGINS = (
    TopicSpec(IMAGES_SUBMITTED, partitions=24, max_message_bytes=256 * _KIB),
    *(TopicSpec(lane_topic(lane), partitions=12, max_message_bytes=256 * _KIB) for lane in LANES),
    TopicSpec(BATCHES_COMMANDS, partitions=3, max_message_bytes=256 * _KIB),
    TopicSpec(TASKS_LIFECYCLE, partitions=12, max_message_bytes=256 * _KIB),
    TopicSpec(OCR_RESULTS, partitions=24, max_message_bytes=8 * _MIB),
    TopicSpec(BATCHES_COMPLETED, partitions=3, max_message_bytes=256 * _KIB),
    # Only the latest of each worker counts: whoever starts to read finds little more than that. All
    # are timed by the broker, so that a worker's clock decides nothing.
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
"""What nothing can be read or recorded without."""
