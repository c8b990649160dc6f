"""Builds the AsyncAPI 3.0 document: topics, keys, headers, messages, writers and readers."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from ocrstream_schemas import headers
from ocrstream_schemas.contract.examples import EXAMPLES
from ocrstream_schemas.contract.schemas import EVENTS, Schema, components
from ocrstream_schemas.events import (
    BatchCompleted,
    CommandEvent,
    Event,
    ImageSubmitted,
    LifecycleEvent,
    OcrEvent,
    WorkerSeen,
)
from ocrstream_schemas.topics import (
    BATCHES_COMMANDS,
    BATCHES_COMPLETED,
    DEAD_LETTER_SUFFIX,
    IMAGE_TOPICS,
    OCR_RESULTS,
    TASKS_LIFECYCLE,
    TOPICS,
    WORKERS_HEARTBEATS,
    TopicSpec,
)

CONTRACT_VERSION = "1.2.0"
"""A compatible addition increments the minor part; a breaking change needs a new topic (ADR 32)."""

Action = Literal["send", "receive"]


@dataclass(frozen=True)
class _Channel:
    """The content of a topic. `action` is the system's own; anyone may send what it receives."""

    events: tuple[type[Event], ...]
    key: str
    action: Action
    description: str


_IMAGES = _Channel(
    (ImageSubmitted,), "chain_id", "receive", "Images to read, by reference; anyone may write"
)
_CHANNELS: dict[str, _Channel] = {
    **dict.fromkeys(IMAGE_TOPICS, _IMAGES),
    BATCHES_COMMANDS: _Channel(
        get_args(CommandEvent),
        "batch_id",
        "receive",
        "Announcements, cancellations and retries of batches; anyone may write",
    ),
    TASKS_LIFECYCLE: _Channel(
        get_args(LifecycleEvent),
        "chain_id",
        "receive",
        "State changes of tasks, from workers and other stages",
    ),
    OCR_RESULTS: _Channel(
        get_args(OcrEvent), "chain_id", "receive", "Complete outcomes of OCR tasks, from workers"
    ),
    BATCHES_COMPLETED: _Channel(
        (BatchCompleted,),
        "batch_id",
        "send",
        "Batches that ended, or changed after their end; anyone may read",
    ),
    WORKERS_HEARTBEATS: _Channel(
        (WorkerSeen,),
        "worker",
        "receive",
        "Heartbeats of workers; compacted, so a record needs its key",
    ),
}

_DESCRIPTION = """\
Events are JSON objects in UTF-8; readers skip a byte order mark. Topics refuse records whose
timestamp is older than six sevenths of the topic's retention, or more than an hour in the future.
A time in an event that is more than ten minutes after its record's timestamp counts as that limit.
A submission with a `batch_total`, or an announcement with a `total_images`, above 100,000,000 is
invalid.
Readers ignore unknown fields; a missing optional field and null mean the same. Strings must not
contain NUL or an unpaired surrogate; `options` and `input_data` may have at most 64 levels. A
record's key only distributes the load and may be missing; no header is required. A missing id is a
UUIDv5 that every reader derives in the same way from a JSON array in UTF-8 without spaces or
optional escapes. For a chain the namespace is 4b8a1889-b256-55b6-83e4-2775fe50b1dc and the array is
`[batch_id, index]`, or `[batch_id, image_path]` without an index, or without a batch `[topic,
partition, offset, timestamp in ms, SHA-256 of the value in hex]`. For an OCR task the namespace is
4a957dc0-539e-572c-b938-d937fb6fe583 and the array is `[chain_id, task_name, run]`. `ids.json`
contains examples to test an implementation with.
"""
_DEAD_LETTER = "DeadLetter"
_TEXT: Schema = {"type": "string"}


def asyncapi() -> dict[str, Any]:
    """Returns the document, which is self-contained."""
    channels = {spec.name: _channel(spec) for spec in TOPICS.values()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ocrstream",
            "version": CONTRACT_VERSION,
            "description": _DESCRIPTION,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            f"{channel.action}.{topic}": {
                "action": channel.action,
                "channel": _ref("channels", topic),
                "summary": channel.description,
            }
            for topic, channel in _CHANNELS.items()
        },
        "components": {
            "messages": {
                **{event.__name__: _message(event) for event in EVENTS},
                _DEAD_LETTER: _dead_letter(),
            },
            "schemas": components("#/components/schemas/{name}"),
        },
    }


def _channel(spec: TopicSpec) -> dict[str, Any]:
    origin = spec.name.removesuffix(DEAD_LETTER_SUFFIX)
    channel = _CHANNELS[origin]
    if origin == spec.name:
        names, description = [event.__name__ for event in channel.events], channel.description
    else:
        names, description = (
            [_DEAD_LETTER],
            f"Records of {origin} that the recorder could not apply",
        )
    return {
        "address": spec.name,
        "description": description,
        "messages": {name: _ref("components", "messages", name) for name in names},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": {
                    "cleanup.policy": spec.cleanup_policy.split(","),
                    "retention.ms": spec.retention_ms,
                    "max.message.bytes": spec.max_message_bytes,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(event: type[Event]) -> dict[str, Any]:
    key = next(channel.key for channel in _CHANNELS.values() if event in channel.events)
    return {
        "name": event.__name__,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "description": "CloudEvents 1.0 in binary mode and W3C trace context; all are optional",
            "properties": {
                **{name: _TEXT for name, _ in headers.cloud_event_headers_of("", "", "")},
                "traceparent": _TEXT,
                "tracestate": _TEXT,
            },
        },
        "payload": _ref("components", "schemas", event.__name__),
        "bindings": {
            "kafka": {
                "key": {**_TEXT, "description": f"The event's {key}"},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [
            {"name": example.name, "payload": example.payload()}
            for example in EXAMPLES
            if isinstance(example.event, event)
        ],
    }


def _dead_letter() -> dict[str, Any]:
    why = (headers.DEAD_LETTER_REASON, headers.DEAD_LETTER_ERROR, headers.DEAD_LETTER_CONSUMER)
    origin = (
        headers.ORIGIN_TOPIC,
        headers.ORIGIN_PARTITION,
        headers.ORIGIN_OFFSET,
        headers.ORIGIN_TIMESTAMP,
    )
    return {
        "name": _DEAD_LETTER,
        "description": "A record that the recorder could not apply; key and value are the original",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": dict.fromkeys((*why, *origin), _TEXT),
            "required": [*why, *origin],
        },
        "payload": {"description": "The original bytes of the record"},
    }


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "/".join(("#", *path))}
