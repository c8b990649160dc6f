"""Which answers get an entity tag."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ocrstream_recorder.api.etags import ETags

app = FastAPI()


@app.get("/v1/whole")
async def whole() -> JSONResponse:
    return JSONResponse({"a": 1}, headers={"cache-control": "max-age=5"})


@app.get("/v1/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingResponse(parts())


@app.post("/v1/whole")
async def post() -> JSONResponse:
    return JSONResponse({"a": 1})


@app.get("/whole")
async def elsewhere() -> JSONResponse:
    return JSONResponse({"a": 1})


@app.get("/v1/missing")
async def missing() -> JSONResponse:
    return JSONResponse({"a": 1}, status_code=404)


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(ETags(app, "/v1/"))
    return httpx.AsyncClient(transport=transport, base_url="http://recorder")


async def test_a_whole_answer_is_tagged_and_known_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/whole")
    assert first.headers["cache-control"] == "max-age=5"
    again = await client.get("/v1/whole", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-length" not in again.headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/stream", b"onetwo"),
        ("POST", "/v1/whole", b'{"a":1}'),
        ("GET", "/whole", b'{"a":1}'),
        ("GET", "/v1/missing", b'{"a":1}'),
    ],
)
async def test_others_pass_as_they_are(
    client: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    answer = await client.request(method, path, headers={"if-none-match": "*"})
    assert answer.status_code != 304
    assert answer.content == body
    assert "etag" not in answer.headers


async def test_a_streams_headers_do_not_wait_for_its_first_part() -> None:
    sent: list[str] = []

    async def streaming(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sent.append("before the first part")
        await send({"type": "http.response.body", "body": b"one"})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/v1/x", "headers": []}
    await ETags(streaming, "/v1/")(scope, receive, send)
    assert sent == ["http.response.start", "before the first part", "http.response.body"]
