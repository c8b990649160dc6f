"""Spans about Kafka records, by OpenTelemetry's semantic conventions for messaging.

https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.util.types import AttributeValue

from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.tracing import (
    exports_spans,
    trace_context,
    trace_headers,
    unsampled_trace_headers,
)
from ocrstream_schemas.headers import Headers

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
BATCH_COUNT = "messaging.batch.message_count"
OFFSET = "messaging.kafka.offset"
KEY = "messaging.kafka.message.key"

KAFKA = "kafka"
_SEND, _PROCESS = "send", "process"
_SAMPLED = 0x01

_tracer = trace.get_tracer(__name__)


@contextmanager
def send_span(
    topic: str, key: bytes | None, *, context: Context | None = None, own_trace: bool = False
) -> Generator[Headers]:
    """Opens a span that sends one record, and yields the headers that propagate it.

    Its parent is `context`, or else the current span. With `own_trace` it begins a new trace that
    only links to the current span, so that a request for thousands of images is not one trace.
    """
    links: list[Link] = []
    if own_trace:
        links.append(Link(trace.get_current_span().get_span_context()))
        context = Context()
    attributes: dict[str, AttributeValue] = {
        SYSTEM: KAFKA,
        OPERATION_NAME: _SEND,
        OPERATION_TYPE: _SEND,
        DESTINATION: topic,
        **_key_attribute(key),
    }
    with _tracer.start_as_current_span(
        f"{_SEND} {topic}", context, SpanKind.PRODUCER, attributes, links
    ):
        yield trace_headers()


def begin_trace(topic: str, key: bytes | None) -> Headers:
    """Returns the headers of a record that begins a trace; its `send` span ends with this call.

    Creates no span if none would be exported, which takes a tenth of the time; a stream of
    submissions needs a trace for each image.
    """
    if not exports_spans():
        return unsampled_trace_headers()
    with send_span(topic, key, own_trace=True) as headers:
        return headers


@contextmanager
def process_span(record: RawRecord, group: str) -> Generator[Span]:
    """Opens a span that processes one record, in the record's trace."""
    with _tracer.start_as_current_span(
        f"{_PROCESS} {record.topic}",
        trace_context(record.headers),
        SpanKind.CONSUMER,
        _attributes_of(record, group),
    ) as span:
        yield span


@contextmanager
def batch_span(records: Sequence[RawRecord], group: str) -> Generator[Span]:
    """Opens a span that processes records together, and a span for each record.

    The batch's span is a trace of its own, with links to all records. Each record's span belongs to
    the record's trace, lasts as long as the batch's span, and links to it. A record whose trace is
    not sampled gets no span. If the batch fails, only the batch's span is exported.
    """
    sampled = [record for record in records if _is_sampled(record.headers)]
    contexts = [trace_context(record.headers) for record in sampled]
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts]
    attributes: dict[str, AttributeValue] = {
        SYSTEM: KAFKA,
        OPERATION_NAME: _PROCESS,
        OPERATION_TYPE: _PROCESS,
        GROUP: group,
        BATCH_COUNT: len(records),
    }
    with _tracer.start_as_current_span(
        f"{_PROCESS} batch", Context(), SpanKind.CONSUMER, attributes, links
    ) as batch:
        to_batch = [Link(batch.get_span_context())]
        spans = [
            _tracer.start_span(
                f"{_PROCESS} {record.topic}",
                context,
                SpanKind.CONSUMER,
                _attributes_of(record, group),
                to_batch,
            )
            for record, context in zip(sampled, contexts, strict=True)
        ]
        yield batch
    for span in spans:
        span.end()


def _is_sampled(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """Returns the sampled flag at the end of `traceparent`, without parsing the whole header."""
    for name, value in headers:
        if name == "traceparent" and value is not None:
            try:
                return bool(int(value[-2:], 16) & _SAMPLED)
            except ValueError:
                return False
    return False


def _attributes_of(record: RawRecord, group: str) -> dict[str, AttributeValue]:
    return {
        SYSTEM: KAFKA,
        OPERATION_NAME: _PROCESS,
        OPERATION_TYPE: _PROCESS,
        DESTINATION: record.topic,
        PARTITION: str(record.partition),
        OFFSET: record.offset,
        GROUP: group,
        **_key_attribute(record.key),
    }


def _key_attribute(key: bytes | None) -> dict[str, AttributeValue]:
    return {} if key is None else {KEY: key.decode("utf-8", "replace")}
