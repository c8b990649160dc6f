"""W3C trace context, from an HTTP request through Kafka's headers to the database's commit.

Spans are sent with OTLP over HTTP where `OTEL_EXPORTER_OTLP_ENDPOINT` says; all variables of the
OpenTelemetry specification hold. Without an endpoint nothing is sampled, but ids still go on.
"""

import os
import threading
from collections.abc import Sequence

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ocrstream_schemas.headers import Headers

_PROPAGATOR = TraceContextTextMapPropagator()
_NOTHING = ParentBased(ALWAYS_OFF)
_IDS = RandomIdGenerator()
_FIELDS = ("traceparent", "tracestate")
_ENDPOINTS = (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT)
# The recorder's polls link to thousands of records, and end as many spans at once.
_MAX_LINKS = 20_000
_QUEUED_SPANS = 16_384
_FLUSH_TIMEOUT_S = 2.0
# Asked for every few seconds, by machines.
_UNTRACED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

HTTP_TELEMETRY: TelemetryConfig = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "exclude": lambda scope: scope["path"] in _UNTRACED_PATHS,
}
"""What FastAPI tells of requests: a span for each, in its caller's trace; no more, for our metrics
are Prometheus' and our logs JSON lines."""


def configure_tracing(service: str) -> None:
    """Makes spans carry the service's name, and sends them if an endpoint is set."""
    exporter = OTLPSpanExporter() if any(os.environ.get(name) for name in _ENDPOINTS) else None
    trace.set_tracer_provider(create_provider(service, exporter))


def create_provider(service: str, exporter: SpanExporter | None) -> TracerProvider:
    """A provider that exports from a thread of its own.

    An exporter that is slow or away makes spans be dropped once the queue is full; nothing waits.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=None if exporter is not None else _NOTHING,
        span_limits=SpanLimits(max_links=_MAX_LINKS),
        shutdown_on_exit=False,
    )
    if exporter is not None:
        queued = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or _QUEUED_SPANS)
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=queued))
    return provider


def end_tracing(timeout_s: float = _FLUSH_TIMEOUT_S) -> None:
    """Send what is queued; what cannot be sent within the time is lost."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        flushing = threading.Thread(target=provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(timeout_s)


def trace_headers() -> Headers:
    """The headers that carry the current span on; none outside of a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def exports_spans() -> bool:
    """Whether spans that are sampled are sent somewhere."""
    provider = trace.get_tracer_provider()
    return isinstance(provider, TracerProvider) and provider.sampler is not _NOTHING


def unsampled_trace_headers() -> Headers:
    """The headers of a new trace that nobody records (W3C Trace Context, flags 00)."""
    trace_id, span_id = _IDS.generate_trace_id(), _IDS.generate_span_id()
    return [("traceparent", f"00-{trace_id:032x}-{span_id:016x}-00".encode())]


def trace_context(headers: Sequence[tuple[str, bytes | None]]) -> Context:
    """The span that headers carry, to be the parent of others; an empty context if they do not."""
    carrier = {
        name: value.decode("ascii", "replace")
        for name, value in headers
        if name in _FIELDS and value is not None
    }
    return _PROPAGATOR.extract(carrier, Context())
