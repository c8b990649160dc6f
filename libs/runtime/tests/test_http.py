import asyncio
import logging
import socket

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from ocrstream_runtime.errors import NotReadyError, ProblemError
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.server import listen, serve
from ocrstream_runtime.settings import ServiceSettings


class Item(BaseModel):
    size: int


def make_app(health: Health | None = None) -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(create_ops_router("ocrstream-tested", health or Health()))

    @app.get("/missing", responses={404: {"description": "There is no such batch"}})
    async def missing() -> None:
        raise ProblemError(404, "No such batch", "No batch is called b-1", batch_id="b-1")

    @app.post("/items")
    async def items(item: Item) -> Item:
        return item

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("secret")

    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "part"),
    [
        ("GET", "/missing", None, 404, "No batch is called b-1"),
        ("GET", "/nowhere", None, 404, "GET /nowhere: this service has no such path"),
        ("DELETE", "/items", None, 405, "DELETE /items: this path does not accept"),
        ("POST", "/items", {"size": "big"}, 422, "#/size"),
        ("GET", "/bug", None, 500, "log"),
    ],
)
async def test_every_error_is_a_problem_document(
    method: str, path: str, body: object, status: int, part: str
) -> None:
    async with client_of(make_app()) as client:
        response = await client.request(method, path, json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["instance"] == path
    assert part in document["detail"]
    assert "secret" not in response.text


async def test_every_error_is_described_as_a_problem_document() -> None:
    app = make_app()
    document = app.openapi()
    reference = {"$ref": "#/components/schemas/Problem"}
    for path, method, status in (("/missing", "get", "404"), ("/items", "post", "422")):
        described = document["paths"][path][method]["responses"][status]
        assert described["content"] == {"application/problem+json": {"schema": reference}}
    assert document["paths"]["/missing"]["get"]["responses"]["404"]["description"] == (
        "There is no such batch"
    )
    assert document["components"]["schemas"].keys() == {"Item", "Problem"}
    async with client_of(app) as client:
        problem = (await client.get("/nowhere")).json()
    assert document["components"]["schemas"]["Problem"]["required"] == list(problem)


async def test_extra_members_stand_in_the_document() -> None:
    async with client_of(make_app()) as client:
        assert (await client.get("/missing")).json()["batch_id"] == "b-1"


async def test_readiness_follows_its_checks_and_liveness_does_not() -> None:
    health = Health()
    connected = False

    async def check() -> None:
        if not connected:
            raise NotReadyError("no broker")

    health.add_check("kafka", check)
    async with client_of(make_app(health)) as client:
        unready = await client.get("/readyz")
        assert unready.status_code == 503
        assert unready.json() == {
            "service": "ocrstream-tested",
            "status": "trouble",
            "checks": ["kafka"],
            "troubles": {"kafka": "NotReadyError: no broker"},
        }
        assert (await client.get("/livez")).status_code == 200
        connected = True
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]) == (200, ["kafka"])
        assert "python_info" in (await client.get("/metrics")).text


async def test_serves_until_told_to_stop(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stop = asyncio.Event()
    app = make_app()
    started, finish = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        started.set()
        await finish.wait()
        return "done"

    settings = ServiceSettings(http_port=0)
    url: list[str] = []

    class Urls(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, dict) and "url" in record.msg:
                url.append(record.msg["url"])

    import structlog

    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.getLogger("ocrstream_runtime.server").addHandler(Urls())
    serving = asyncio.create_task(serve(app, settings, stop))
    while not url:
        assert not serving.done()
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=url[0]) as client:
        request = asyncio.create_task(client.get("/slow"))
        await started.wait()
        stop.set()
        finish.set()
        assert (await request).json() == "done"
    await serving


async def test_a_taken_port_is_an_error_of_its_own() -> None:
    async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0) as holder:
        port = holder.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await serve(make_app(), ServiceSettings(http_port=port), asyncio.Event())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_part_of_an_answer_waits_for_an_acknowledgement(host: str) -> None:
    with (
        listen(host, 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
