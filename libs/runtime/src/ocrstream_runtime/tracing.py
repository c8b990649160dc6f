"""W3C trace context: one image is one trace, from the HTTP request through Kafka's headers."""

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from ocrstream_schemas.headers import Headers

_PROPAGATOR = TraceContextTextMapPropagator()
_FIELDS = ("traceparent", "tracestate")
_tracer = trace.get_tracer(__name__)


def configure_tracing(service: str) -> None:
    """Makes spans carry the service's name. Ids go on in headers, whether spans are sent or not."""
    resource = Resource.create({"service.name": service})
    trace.set_tracer_provider(TracerProvider(resource=resource))


def trace_headers() -> Headers:
    """The headers that carry the current span on; none outside of a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def trace_context(headers: Sequence[tuple[str, bytes | None]]) -> Context:
    """The span that headers carry, to be the parent of others; an empty context if they do not."""
    carrier = {
        name: value.decode("ascii", "replace")
        for name, value in headers
        if name in _FIELDS and value is not None
    }
    return _PROPAGATOR.extract(carrier)


class TraceRequests:
    """ASGI middleware: a span for each request, the caller's trace going on in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, within a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
        name = f"{scope['method']} {scope['path']}"
        context = trace_context(headers)
        with _tracer.start_as_current_span(name, context, SpanKind.SERVER):
            await self._app(scope, receive, send)
