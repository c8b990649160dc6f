"""What the HTTP applications of all services have in common."""

import re
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, Query

from ocrstream_runtime.http_api import create_http_api


async def _page(cursor: str = "", limit: int = 10) -> str:
    return f"{cursor}{limit}"


router = APIRouter(prefix="/things")


@router.get("")
async def list_things(
    page: Annotated[str, Depends(_page)], kind: Annotated[str, Query(alias="type")] = ""
) -> str:
    return f"{page}{kind}"


@router.post("/{name}")
async def make_thing(name: str) -> str:
    return name


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = create_http_api("Things <&>")
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things")


async def test_parameters_that_a_path_declares_are_accepted(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things?cursor=a&limit=5&type=b")
    assert (answer.status_code, answer.json()) == (200, "a5b")


async def test_others_are_refused_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things?limit=5&kind=b&batch_id=1&kind=c")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert [error["pointer"] for error in problem["errors"]] == ["query kind", "query batch_id"]
    assert problem["detail"] == (
        "query kind: this path has no such query parameter; it has cursor, limit, type (and 1 more)"
    )


async def test_a_path_without_parameters_refuses_all(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things/a?name=b")
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("it has none")
    assert (await client.post("/things/a?")).json() == "a"


async def test_the_document_tells_of_the_refusal(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "422" in paths["/things/{name}"]["post"]["responses"]


async def test_the_docs_need_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert "Things &lt;&amp;&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy
    linked = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert linked
    for address in linked:
        file = await client.get(f"/{address}")
        assert file.status_code == 200
        assert file.headers["content-security-policy"] == policy
    assert (await client.get("/docs/redoc.standalone.js")).status_code == 404
    assert (await client.get("/redoc")).status_code == 404
