"""Propagates W3C trace context from an HTTP request through Kafka's headers to the commit.

The exporter sends spans by OTLP over HTTP to `OTEL_EXPORTER_OTLP_ENDPOINT`; all variables of the
OpenTelemetry specification apply. Without an endpoint no trace is sampled, but ids still propagate.
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
_NEVER_SAMPLE = ParentBased(ALWAYS_OFF)
_IDS = RandomIdGenerator()
_FIELDS = ("traceparent", "tracestate")
_ENDPOINTS = (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT)
# A poll of the recorder links to thousands of records, and ends as many spans at once.
_MAX_LINKS = 20_000
_QUEUED_SPANS = 16_384
_FLUSH_TIMEOUT_S = 2.0
# Machines request these every few seconds.
_UNTRACED_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

HTTP_TELEMETRY: TelemetryConfig = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "exclude": lambda scope: scope["path"] in _UNTRACED_PATHS,
}
"""FastAPI creates a span for each request, in the caller's trace, and neither metrics nor logs: the
services have Prometheus metrics and JSON logs."""


def configure_tracing(service: str) -> None:
    """Sets the service name of spans, and exports them if an endpoint is configured."""
    exporter = OTLPSpanExporter() if any(os.environ.get(name) for name in _ENDPOINTS) else None
    trace.set_tracer_provider(create_provider(service, exporter))


def create_provider(service: str, exporter: SpanExporter | None) -> TracerProvider:
    """Returns a provider that exports from a thread of its own.

    It drops spans when its queue is full, because the endpoint is slow or away, and never blocks.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=None if exporter is not None else _NEVER_SAMPLE,
        span_limits=SpanLimits(max_links=_MAX_LINKS),
        shutdown_on_exit=False,
    )
    if exporter is not None:
        queue_size = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or _QUEUED_SPANS)
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=queue_size))
    return provider


def shutdown_tracing(timeout_s: float = _FLUSH_TIMEOUT_S) -> None:
    """Exports the queued spans; drops those that it cannot export within the timeout."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        flushing = threading.Thread(target=provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(timeout_s)


def trace_headers() -> Headers:
    """Returns the headers that propagate the current span; none outside a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def exports_spans() -> bool:
    """Returns whether the process exports sampled spans."""
    provider = trace.get_tracer_provider()
    return isinstance(provider, TracerProvider) and provider.sampler is not _NEVER_SAMPLE


def unsampled_trace_headers() -> Headers:
    """Returns the headers of a new trace that is not sampled (W3C Trace Context, flags 00)."""
    trace_id, span_id = _IDS.generate_trace_id(), _IDS.generate_span_id()
    return [("traceparent", f"00-{trace_id:032x}-{span_id:016x}-00".encode())]


def trace_context(headers: Sequence[tuple[str, bytes | None]]) -> Context:
    """Returns the context of the span in the headers; an empty one if they have none."""
    carrier = {
        name: value.decode("ascii", "replace")
        for name, value in headers
        if name in _FIELDS and value is not None
    }
    return _PROPAGATOR.extract(carrier, Context())
