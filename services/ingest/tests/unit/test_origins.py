"""Which pages may use ingest from browsers."""

import httpx
import pytest
from fake_publisher import FakePublisher
from pydantic import ValidationError

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health

PAGES = "https://ocr.example, http://127.0.0.1:8081/"
FILES = {"files": ("a.png", b"image")}


def client(settings: IngestSettings, publisher: FakePublisher, origins: str) -> httpx.AsyncClient:
    settings = settings.model_validate({**settings.model_dump(), "allowed_origins": origins})
    app = create_api(create_dependencies(settings, publisher), Health(), settings.origins)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest")


@pytest.mark.parametrize("origin", ["https://ocr.example", "http://127.0.0.1:8081"])
async def test_a_page_that_is_allowed_may_submit_and_read_the_answer(
    settings: IngestSettings, publisher: FakePublisher, origin: str
) -> None:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,idempotency-key",
    }
    async with client(settings, publisher, PAGES) as ingest:
        answer = await ingest.options("/v1/images", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        assert int(answer.headers["access-control-max-age"]) > 0
        sent = {"origin": origin, "idempotency-key": "k"}
        answer = await ingest.post("/v1/images", headers=sent, files=FILES)
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-expose-headers"] == "Retry-After"
        # So it can show what was wrong with it.
        answer = await ingest.post("/v1/images", headers={"origin": origin}, files={"a": b""})
        assert answer.status_code == 422
        assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("allowed", ["", PAGES])
async def test_others_may_not(
    settings: IngestSettings, publisher: FakePublisher, allowed: str
) -> None:
    for origin in ("https://ocr.example.evil.example", "http://ocr.example", "null"):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        async with client(settings, publisher, allowed) as ingest:
            answer = await ingest.options("/v1/batches", headers=asked)
            assert answer.status_code in {400, 405}
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origins", ["*", "https://a.example,*", "ocr.example"])
def test_only_origins_are_taken(settings: IngestSettings, origins: str) -> None:
    with pytest.raises(ValidationError, match="is not an origin"):
        settings.model_validate({**settings.model_dump(), "allowed_origins": origins})
