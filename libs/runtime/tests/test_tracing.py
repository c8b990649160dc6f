import httpx
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from ocrstream_runtime.tracing import TraceRequests, trace_context, trace_headers

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_headers_carry_the_current_span_on() -> None:
    tracer = TracerProvider().get_tracer("test")
    context = trace_context([("other", None), ("traceparent", PARENT.encode())])
    assert trace_headers() == []
    with tracer.start_as_current_span("step", context) as span:
        ((name, value),) = trace_headers()
    assert name == "traceparent"
    assert value.decode().split("-")[1] == TRACE_ID
    assert value.decode().split("-")[2] == format(span.get_span_context().span_id, "016x")


def test_nonsense_in_a_header_begins_a_new_trace() -> None:
    for value in (b"", b"\xff\xfe", b"00-zz-zz-00", None):
        context = trace_context([("traceparent", value)])
        assert not trace.get_current_span(context).get_span_context().is_valid


async def test_a_request_goes_on_with_its_callers_trace() -> None:
    trace.set_tracer_provider(TracerProvider())
    app = FastAPI()
    app.add_middleware(TraceRequests)

    @app.get("/")
    async def headers() -> dict[str, str]:
        return {name: value.decode() for name, value in trace_headers()}

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        told = (await client.get("/", headers={"traceparent": PARENT})).json()
        assert told["traceparent"].split("-")[1] == TRACE_ID
        other = (await client.get("/")).json()
        assert other["traceparent"].split("-")[1] != TRACE_ID
