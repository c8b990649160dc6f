"""What the route handlers depend on: clients, stores and limits, built once, and admission."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from ocrstream_ingest.documents import DocumentLimits, DocumentSplitter
from ocrstream_ingest.idempotency import IDEMPOTENCY_KEY, IdempotencyStore, IdempotentRequest
from ocrstream_ingest.models import Links
from ocrstream_ingest.prefix_listing import PrefixLister
from ocrstream_ingest.publisher import Publisher
from ocrstream_ingest.recorder_client import RecorderClient
from ocrstream_ingest.request_body import BodyLimits
from ocrstream_ingest.settings import IngestSettings
from ocrstream_ingest.uploads import UploadStore
from ocrstream_ingest.worker_lag import WorkerLag
from ocrstream_runtime.errors import ProblemError


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Everything that a request may need, and the limits that apply to it."""

    publisher: Publisher
    worker_lag: WorkerLag
    uploads: UploadStore
    documents: DocumentSplitter
    idempotency: IdempotencyStore
    prefixes: PrefixLister
    recorder: RecorderClient
    request_slots: asyncio.Semaphore
    upload_limits: BodyLimits
    json_limits: BodyLimits
    stream_limits: BodyLimits

    def links(self, batch_id: str) -> Links:
        """Returns the recorder's URLs for a batch."""
        return Links(
            batch=self.recorder.batch_url(batch_id),
            images=self.recorder.batch_url(batch_id, "/images"),
        )


def create_dependencies(settings: IngestSettings, publisher: Publisher) -> Dependencies:
    """Builds the dependencies from the settings; starts nothing, but creates the upload folder."""
    idle_timeout_s = settings.body_timeout_s
    return Dependencies(
        publisher=publisher,
        worker_lag=WorkerLag(
            settings.kafka_bootstrap_servers, settings.worker_group_id, settings.max_queued_images
        ),
        uploads=UploadStore(settings.object_root, settings.max_upload_bytes),
        documents=DocumentSplitter(
            DocumentLimits(
                max_pages=settings.max_document_pages,
                max_page_pixels=settings.max_page_pixels,
                max_bytes=settings.max_document_bytes,
                dpi=settings.document_dpi,
                timeout_s=settings.document_timeout_s,
                memory_bytes=settings.document_memory_bytes,
                max_concurrent=settings.documents_at_once,
            )
        ),
        idempotency=IdempotencyStore(settings.object_root, settings.idempotency_keep_s),
        prefixes=PrefixLister(settings.roots, settings.stores),
        recorder=RecorderClient(settings.recorder_url),
        request_slots=asyncio.Semaphore(settings.max_requests),
        upload_limits=BodyLimits(
            idle_timeout_s, settings.max_request_bytes, "OCRSTREAM_MAX_REQUEST_BYTES"
        ),
        json_limits=BodyLimits(idle_timeout_s, settings.max_json_bytes, "OCRSTREAM_MAX_JSON_BYTES"),
        stream_limits=BodyLimits(idle_timeout_s),
    )


async def admit(request: Request) -> AsyncIterator[Dependencies]:
    """Yields the dependencies while the request holds one of the slots.

    Raises ProblemError (429).
    """
    dependencies: Dependencies = request.app.state.dependencies
    if dependencies.request_slots.locked():
        raise ProblemError(
            429,
            "Too many concurrent requests",
            "Ingest processes as many submissions as OCRSTREAM_MAX_REQUESTS allows; try again in a"
            " moment",
            headers={"Retry-After": "1"},
        )
    async with dependencies.request_slots:
        yield dependencies


AdmittedRequest = Annotated[Dependencies, Depends(admit)]


async def idempotent_request(
    request: Request,
    dependencies: AdmittedRequest,
    key: Annotated[
        str | None,
        Header(
            alias=IDEMPOTENCY_KEY,
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="Makes it safe to send the request again: a repeat with the same key and"
            " body gets the same response, and its events count once",
            examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        ),
    ] = None,
) -> IdempotentRequest:
    """Returns the request with its `Idempotency-Key`, for handlers that publish."""
    return IdempotentRequest(dependencies.idempotency, key, request.url.path)


Idempotent = Annotated[IdempotentRequest, Depends(idempotent_request)]
