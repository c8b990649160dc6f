"""One image is one trace over three services, and tracing costs the pipeline nothing."""

import json
import secrets
import socket
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from whole_system import System, eventually

from ocrstream_local import processes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SERVICES = ("recorder", "ingest", "worker-1")


class Caller:
    """Somebody's span that requests are made in."""

    def __init__(self) -> None:
        self.trace_id = secrets.token_hex(16)
        self.span_id = secrets.token_hex(8)
        self.traceparent = f"00-{self.trace_id}-{self.span_id}-01"


@pytest.fixture
def receiver() -> Generator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


def start(system: System, endpoint: str) -> None:
    for name in SERVICES:
        # Spans are sent at once, not after five seconds.
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        system.start(name, wait=False, **settings)
    for name in SERVICES:
        system.wait(name)


def submit(system: System, count: int, traceparent: str) -> str:
    """Submit images in one request; returns the batch's id."""
    batch_id = secrets.token_hex(8)
    images = [{"image_path": system.image(f"{n}.png")} for n in range(count)]
    answer = httpx.post(
        f"{system.ingest_url}/v1/batches",
        json={"batch_id": batch_id, "batch_total": count, "images": images},
        headers={"traceparent": traceparent},
    )
    answer.raise_for_status()
    return batch_id


def edges(spans: list[ReceivedSpan]) -> list[tuple[str, str]]:
    """Each span's service and name, after its parent's, from the root on."""
    children: dict[str, list[ReceivedSpan]] = {}
    ids = {span.span_id for span in spans}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in ids else "", []).append(span)
    found: list[tuple[str, str]] = []

    def walk(parent_id: str, path: str) -> None:
        for span in sorted(children.get(parent_id, []), key=lambda one: one.name):
            found.append((path, f"{span.service}: {span.name}"))
            walk(span.span_id, found[-1][1])

    walk("", "")
    return found


async def test_one_image_is_one_trace_over_three_services(
    bare_system: System, receiver: OtlpReceiver
) -> None:
    system, caller = bare_system, Caller()
    start(system, receiver.url)
    system.ended(submit(system, 1, caller.traceparent))

    ingest, worker, recorder = "ocrstream-ingest", "ocrstream-worker", "ocrstream-recorder"
    request = f"{ingest}: POST /v1/batches"
    send_image = f"{ingest}: send images.submitted"
    read = f"{worker}: process images.submitted"
    expected = [
        ("", request),
        (request, f"{ingest}: send batches.commands"),
        (f"{ingest}: send batches.commands", f"{recorder}: process batches.commands"),
        (request, send_image),
        (send_image, f"{recorder}: process images.submitted"),
        (send_image, read),
        (read, f"{worker}: decode"),
        (read, f"{worker}: fetch"),
        (read, f"{worker}: publish"),
        (f"{worker}: publish", f"{worker}: send ocr.results"),
        (f"{worker}: send ocr.results", f"{recorder}: process ocr.results"),
        (read, f"{worker}: recognize"),
    ]

    def whole_trace() -> list[ReceivedSpan] | None:
        found = [span for span in receiver.spans() if span.trace_id == caller.trace_id]
        return found if len(found) >= len(expected) else None

    trace = eventually("the whole trace", whole_trace)
    assert sorted(edges(trace)) == sorted(expected)
    (root,) = [span for span in trace if span.name == "POST /v1/batches"]
    assert root.parent_id == caller.span_id
    assert root.attributes["http.response.status_code"] == 202

    # The poll that wrote the result is a trace of its own, linked both ways.
    (recorded,) = [span for span in trace if span.name == "process ocr.results"]
    (sent,) = [span for span in trace if span.name == "send ocr.results"]
    assert recorded.attributes["messaging.consumer.group.name"] == f"recorder-{system.group}"
    (poll,) = [span for span in receiver.spans() if span.span_id in recorded.links]
    assert (poll.service, poll.name) == (recorder, "process batch")
    assert poll.trace_id != caller.trace_id
    assert sent.span_id in poll.links
    (write,) = [span for span in receiver.spans() if span.parent_id == poll.span_id]
    assert write.attributes["db.system.name"] == "postgresql"


async def test_each_image_of_a_larger_request_is_a_trace_that_links_to_it(
    bare_system: System, receiver: OtlpReceiver
) -> None:
    system, caller = bare_system, Caller()
    start(system, receiver.url)
    system.ended(submit(system, 3, caller.traceparent))

    def request() -> ReceivedSpan | None:
        mine = [span for span in receiver.spans() if span.trace_id == caller.trace_id]
        return next((span for span in mine if span.name == "POST /v1/batches"), None)

    linked = (eventually("the request's span", request).span_id,)

    def results() -> tuple[list[ReceivedSpan], list[ReceivedSpan]] | None:
        roots = [span for span in receiver.spans() if span.links == linked]
        traces = {span.trace_id for span in roots}
        found = [
            span
            for span in receiver.spans()
            if span.trace_id in traces and span.name == "process ocr.results"
        ]
        return (roots, found) if len(found) == 3 else None

    roots, recorded = eventually("three recorded results", results)
    assert [(span.name, span.parent_id) for span in roots] == 3 * [("send images.submitted", "")]
    assert len({span.trace_id for span in recorded} - {caller.trace_id}) == 3


async def test_what_is_logged_about_a_record_tells_its_trace(bare_system: System) -> None:
    system, caller = bare_system, Caller()
    system.start("recorder")
    await system.send(("images.submitted", None, b"{}"), traceparent=caller.traceparent)

    def look() -> dict[str, Any] | None:
        log = (system.folder / "logs" / "recorder.log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines()]
        return next((line for line in lines if line.get("trace_id") == caller.trace_id), None)

    assert eventually("a line about the record", look)["event"] == "dead letter"


@pytest.fixture(params=["never answers", "refuses connections"])
def receiver_in_trouble(request: pytest.FixtureRequest) -> Generator[str]:
    """The address of a receiver that takes connections and never answers, or of none at all."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if request.param == "refuses connections":
            listener.close()
        yield url


async def test_a_receiver_in_trouble_holds_nothing_up(
    bare_system: System, receiver_in_trouble: str
) -> None:
    system = bare_system
    start(system, receiver_in_trouble)
    batch = system.ended(submit(system, 300, Caller().traceparent))
    assert batch["completed_images"] == 300
    processes.stop(system.processes.values(), 30)
    for name in SERVICES:
        log = (system.folder / "logs" / f"{name}.log").read_text(encoding="utf-8")
        assert json.loads(log.splitlines()[-1])["event"] == "stopped"
