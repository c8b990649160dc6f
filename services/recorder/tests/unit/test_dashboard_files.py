"""The dashboard's files as browsers get them, beside the API."""

import gzip
import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_runtime.health import Health
from ocrstream_runtime.origins import web_origin
from ocrstream_runtime.settings import ServiceSettings

PAGE = "<!doctype html><title>Ocrstream</title>"
CODE = "console.log('a line');\n" * 500
AS_PERSON = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def client(folder: Path, ingest_url: str = "https://ingest.example") -> httpx.AsyncClient:
    # Nothing here asks the database.
    database = ReadDatabase("postgresql://nobody@127.0.0.1:1/none", connections=1, timeout_s=1)
    app = create_api(
        database,
        DatabaseZone("UTC"),
        Health(),
        DeadLetterRecords(ServiceSettings()),
        ingest_url=ingest_url,
        dashboard=folder,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://recorder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = tmp_path / "dashboard"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text(PAGE)
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets" / "index-4f2a.js").write_text(CODE)
    (tmp_path / "secret.txt").write_text("secret")
    return built


@pytest.fixture
async def dashboard(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with client(folder) as api:
        yield api


@pytest.mark.parametrize(
    "path", ["/", "/batches/a.b", "/batches/a%2Fb", "/images?image_path=file%3A%2F%2F%2Fa", "/x/y/"]
)
async def test_every_address_of_a_person_is_the_page(
    dashboard: httpx.AsyncClient, path: str
) -> None:
    answer = await dashboard.get(path, headers=AS_PERSON)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    seen = {**AS_PERSON, "if-none-match": answer.headers["etag"]}
    again = await dashboard.get(path, headers=seen)
    assert (again.status_code, again.text) == (304, "")
    assert (await dashboard.head(path, headers=AS_PERSON)).status_code == 200


async def test_another_page_of_the_same_size_and_time_is_another(
    dashboard: httpx.AsyncClient, folder: Path
) -> None:
    before = (await dashboard.get("/")).headers["etag"]
    page = folder / "index.html"
    times = page.stat()
    page.write_text(PAGE.replace("Ocr", "ocR"))
    os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (await dashboard.get("/", headers={"if-none-match": before})).status_code == 200


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/v1/nothing", "text/html"),
        ("/v1/", "text/html"),
        ("/assets/index-gone.js", "text/html"),
        ("/assets/", "text/html"),
        ("/batches/a", "application/json"),
        ("/healthz", "*/*"),
        ("/..%2Fsecret.txt", "*/*"),
        ("/assets/..%2f..%2f..%2fsecret.txt", "*/*"),
        ("/assets/%2e%2e/%2e%2e/secret.txt", "*/*"),
        ("/assets/..\\..\\secret.txt", "*/*"),
        ("/assets/%00", "*/*"),
        ("/" + "a" * 5000, "*/*"),
    ],
)
async def test_all_else_is_not_there(dashboard: httpx.AsyncClient, path: str, accept: str) -> None:
    answer = await dashboard.get(path, headers={"accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_api_stays_what_it_was(dashboard: httpx.AsyncClient) -> None:
    assert (await dashboard.get("/livez", headers=AS_PERSON)).json()["status"] == "ok"
    assert (await dashboard.get("/metrics", headers=AS_PERSON)).status_code == 200
    assert (await dashboard.post("/v1/batches", headers=AS_PERSON)).status_code == 405
    assert (await dashboard.post("/batches/a", headers=AS_PERSON)).status_code == 405
    settings = await dashboard.get("/dashboard.json")
    assert settings.json() == {"ingest_url": "https://ingest.example"}


async def test_what_has_its_content_in_its_name_is_kept_for_ever(
    dashboard: httpx.AsyncClient,
) -> None:
    answer = await dashboard.get("/assets/index-4f2a.js", headers={"accept-encoding": "gzip"})
    assert answer.text == CODE
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert "immutable" in answer.headers["cache-control"]
    plain = await dashboard.get("/assets/index-4f2a.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(gzip.compress(CODE.encode())) < len(plain.content)
    icon = await dashboard.get("/icon.svg")
    assert icon.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/assets/index-4f2a.js", "/icon.svg", "/search"])
async def test_browsers_are_told_to_run_nothing_else(
    dashboard: httpx.AsyncClient, path: str
) -> None:
    told = (await dashboard.get(path, headers=AS_PERSON)).headers
    policy = dict(re.findall(r"([\w-]+) ([^;]+)", told["content-security-policy"]))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self' https://ingest.example",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "no-referrer"


async def test_one_that_is_not_built_says_how_to_and_appears_once_it_is(tmp_path: Path) -> None:
    async with client(tmp_path / "dashboard", "") as api:
        answer = await api.get("/", headers=AS_PERSON)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/plain")
        assert "make dashboard" in answer.text
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
        assert (await api.get("/dashboard.json")).json() == {"ingest_url": ""}
        (tmp_path / "dashboard").mkdir()
        (tmp_path / "dashboard" / "index.html").write_text(PAGE)
        assert (await api.get("/", headers=AS_PERSON)).text == PAGE


def test_origins() -> None:
    assert web_origin(" HTTPS://Ocr.Example:443/ ") == "https://ocr.example"
    assert web_origin("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    assert web_origin("http://[::1]:80") == "http://[::1]"
    for text in (
        "*",
        "null",
        "ocr.example",
        "ftp://a",
        "http://a/b",
        "http://a b",
        "http://a;b",
        "",
    ):
        with pytest.raises(ValueError, match="is not an origin"):
            web_origin(text)
