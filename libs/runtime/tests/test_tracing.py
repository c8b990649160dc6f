import threading
from collections.abc import Sequence

import httpx
import pytest
from aiokafka import ConsumerRecord
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes as conventions

from ocrstream_runtime import messaging_spans
from ocrstream_runtime.kafka import RawRecord
from ocrstream_runtime.messaging_spans import batch_span, process_span, send_span
from ocrstream_runtime.tracing import (
    HTTP_TELEMETRY,
    configure_tracing,
    create_provider,
    shutdown_tracing,
    trace_context,
    trace_headers,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
UNSAMPLED = PARENT[:-1] + "0"


class Provider:
    """Stands for the process's one provider, which cannot be set twice."""

    def __init__(self) -> None:
        self.now: TracerProvider | None = None


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    provider = Provider()

    def use(new: TracerProvider) -> None:
        provider.now = new
        monkeypatch.setattr(messaging_spans, "_tracer", new.get_tracer("test"))

    monkeypatch.setattr(trace, "set_tracer_provider", use)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider.now)
    return provider


@pytest.fixture
def finished(provider: Provider) -> InMemorySpanExporter:
    """What was exported; `shutdown_tracing` flushes it."""
    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(create_provider("a-service", exporter))
    return exporter


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    shutdown_tracing()
    return {span.name: span for span in exporter.get_finished_spans()}


def record(offset: int, *headers: tuple[str, bytes]) -> RawRecord:
    return ConsumerRecord("ocr.results", 3, offset, 0, 0, b"key", b"{}", 0, 3, 2, headers)


def context_of(span: ReadableSpan) -> trace.SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


@pytest.mark.usefixtures("finished")
def test_headers_carry_the_current_span_on() -> None:
    context = trace_context([("other", None), ("traceparent", PARENT.encode())])
    assert trace_headers() == []
    tracer = create_provider("a-service", InMemorySpanExporter()).get_tracer("test")
    with tracer.start_as_current_span("step", context) as span:
        ((name, value),) = trace_headers()
    assert name == "traceparent"
    assert value.decode().split("-")[1] == TRACE_ID
    assert value.decode().split("-")[2] == format(span.get_span_context().span_id, "016x")


def test_nonsense_in_a_header_begins_a_new_trace() -> None:
    for value in (b"", b"\xff\xfe", b"00-zz-zz-00", None):
        context = trace_context([("traceparent", value)])
        assert not trace.get_current_span(context).get_span_context().is_valid


async def test_a_request_goes_on_with_its_callers_trace(finished: InMemorySpanExporter) -> None:
    app = FastAPI(telemetry=HTTP_TELEMETRY)

    @app.get("/things/{number}")
    async def headers(number: int) -> dict[str, str]:
        if number > 1:
            raise ZeroDivisionError
        return {name: value.decode() for name, value in trace_headers()}

    @app.get("/livez")
    async def livez() -> None:
        pass

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        told = (await client.get("/things/1", headers={"traceparent": PARENT})).json()
        assert told["traceparent"].split("-")[1] == TRACE_ID
        other = (await client.get("/things/1")).json()
        assert other["traceparent"].split("-")[1] != TRACE_ID
        await client.get("/livez")
        await client.get("/nowhere/1")
        await client.get("/things/2")
    shutdown_tracing()
    found = [
        (span.name, (span.attributes or {}).get("http.response.status_code"), span.status.is_ok)
        for span in finished.get_finished_spans()
    ]
    assert found == [
        ("GET /things/{number}", 200, True),
        ("GET /things/{number}", 200, True),
        ("GET", 404, True),
        ("GET /things/{number}", 500, False),
    ]


def test_names_are_those_of_the_conventions() -> None:
    assert {
        messaging_spans.SYSTEM: conventions.MESSAGING_SYSTEM,
        messaging_spans.OPERATION_NAME: conventions.MESSAGING_OPERATION_NAME,
        messaging_spans.OPERATION_TYPE: conventions.MESSAGING_OPERATION_TYPE,
        messaging_spans.DESTINATION: conventions.MESSAGING_DESTINATION_NAME,
        messaging_spans.PARTITION: conventions.MESSAGING_DESTINATION_PARTITION_ID,
        messaging_spans.GROUP: conventions.MESSAGING_CONSUMER_GROUP_NAME,
        messaging_spans.BATCH_COUNT: conventions.MESSAGING_BATCH_MESSAGE_COUNT,
        messaging_spans.OFFSET: conventions.MESSAGING_KAFKA_OFFSET,
        messaging_spans.KEY: conventions.MESSAGING_KAFKA_MESSAGE_KEY,
    }.items() <= {(name, name) for name in vars(conventions).values() if isinstance(name, str)}
    system = conventions.MessagingSystemValues.KAFKA
    assert system.value == messaging_spans.KAFKA


def test_a_record_that_is_sent_carries_its_span_to_where_it_is_processed(
    finished: InMemorySpanExporter,
) -> None:
    with send_span("ocr.results", b"key") as headers:
        pass
    with process_span(record(7, *headers), "a-group"):
        pass
    found = spans(finished)
    sent, processed = found["send ocr.results"], found["process ocr.results"]
    assert processed.parent is not None
    assert processed.parent.span_id == context_of(sent).span_id
    assert context_of(processed).trace_id == context_of(sent).trace_id
    assert dict(processed.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "ocr.results",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 7,
        "messaging.kafka.message.key": "key",
        "messaging.consumer.group.name": "a-group",
    }


def test_a_batch_links_to_its_records_and_they_to_it(finished: InMemorySpanExporter) -> None:
    # More than OpenTelemetry's own limit of 128 links.
    sampled = [record(offset, ("traceparent", PARENT.encode())) for offset in range(500)]
    others = [
        record(500, ("traceparent", UNSAMPLED.encode())),
        record(501, ("traceparent", b"nonsense")),
        record(502),
    ]
    with batch_span([*sampled, *others], "a-group"):
        pass
    shutdown_tracing()
    *processed, batch = sorted(finished.get_finished_spans(), key=lambda span: len(span.links))
    assert len(batch.links) == len(processed) == 500
    assert (batch.attributes or {})["messaging.batch.message_count"] == 503
    for span in processed:
        assert format(context_of(span).trace_id, "032x") == TRACE_ID
        assert [link.context.span_id for link in span.links] == [context_of(batch).span_id]


def test_records_of_a_batch_that_failed_have_no_span(finished: InMemorySpanExporter) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        batch_span([record(1, ("traceparent", PARENT.encode()))], "a-group"),
    ):
        raise ZeroDivisionError
    found = spans(finished)
    assert found.keys() == {"process batch"}
    assert not found["process batch"].status.is_ok


@pytest.mark.usefixtures("provider")
def test_without_an_endpoint_ids_go_on_and_nothing_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    configure_tracing("a-service")
    with send_span("ocr.results", None) as headers:
        assert not trace.get_current_span().is_recording()
    context = trace.get_current_span(trace_context(headers)).get_span_context()
    assert context.is_valid
    assert not context.trace_flags.sampled


class Stuck(SpanExporter):
    """An exporter that does not come back."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.let_go.wait()
        return SpanExportResult.FAILURE


@pytest.mark.usefixtures("provider")
@pytest.mark.timeout(60)
def test_an_exporter_that_is_stuck_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "600")
    exporter = Stuck()
    trace.set_tracer_provider(create_provider("a-service", exporter))
    try:
        for _ in range(5_000):
            with send_span("ocr.results", None):
                pass
        assert exporter.asked.wait(30)
        shutdown_tracing(timeout_s=0.1)
    finally:
        exporter.let_go.set()
