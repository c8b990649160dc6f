"""Ingest's application without a broker."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from fake_publisher import FakePublisher
from fastapi import FastAPI
from full_disk import Disk

from ocrstream_ingest.app import create_api
from ocrstream_ingest.dependencies import create_dependencies
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.health import Health


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    return IngestSettings(
        object_root=tmp_path / "objects",
        image_roots=str(tmp_path / "scans"),
        max_upload_bytes=200_000,
        max_request_bytes=400_000,
        max_json_bytes=20_000,
        body_timeout_s=0.3,
        max_document_pages=20,
        max_page_pixels=4_000_000,
        max_requests=3,
    )


@pytest.fixture
def app(publisher: FakePublisher, settings: IngestSettings) -> FastAPI:
    return create_api(create_dependencies(settings, publisher), Health())


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(os, "fsync", made.fsync)
    return made


@pytest.fixture
async def api(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        yield client
