"""What the paths of the API work with."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ocrstream_ingest.backlog import Backlog
from ocrstream_ingest.body import BodyLimits
from ocrstream_ingest.documents import DocumentLimits, Documents
from ocrstream_ingest.idempotency import Attempts
from ocrstream_ingest.listing import Listing
from ocrstream_ingest.models import Links
from ocrstream_ingest.publisher import Sender
from ocrstream_ingest.recorder import Recorder
from ocrstream_ingest.settings import IngestSettings
from ocrstream_ingest.uploads import Uploads
from ocrstream_runtime.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that a request may need, and the limits that it is held to."""

    sender: Sender
    backlog: Backlog
    uploads: Uploads
    documents: Documents
    attempts: Attempts
    listing: Listing
    recorder: Recorder
    places: asyncio.Semaphore
    upload_limits: BodyLimits
    json_limits: BodyLimits
    stream_limits: BodyLimits

    def links(self, batch_id: str) -> Links:
        """Where to read of a batch."""
        return Links(
            batch=self.recorder.link(batch_id), images=self.recorder.link(batch_id, "/images")
        )


def create_parts(settings: IngestSettings, sender: Sender) -> Parts:
    """The parts as the settings say; starts nothing, but makes the folder of uploads."""
    idle_s = settings.body_timeout_s
    return Parts(
        sender=sender,
        backlog=Backlog(
            settings.kafka_bootstrap_servers, settings.worker_group_id, settings.max_queued_images
        ),
        uploads=Uploads(settings.object_root, settings.max_upload_bytes),
        documents=Documents(
            DocumentLimits(
                max_pages=settings.max_document_pages,
                max_page_pixels=settings.max_page_pixels,
                max_bytes=settings.max_document_bytes,
                dpi=settings.document_dpi,
                timeout_s=settings.document_timeout_s,
                memory_bytes=settings.document_memory_bytes,
                at_once=settings.documents_at_once,
            )
        ),
        attempts=Attempts(settings.object_root, settings.idempotency_keep_s),
        listing=Listing(settings.roots, settings.stores),
        recorder=Recorder(settings.recorder_url),
        places=asyncio.Semaphore(settings.max_requests),
        upload_limits=BodyLimits(idle_s, settings.max_request_bytes, "OCRSTREAM_MAX_REQUEST_BYTES"),
        json_limits=BodyLimits(idle_s, settings.max_json_bytes, "OCRSTREAM_MAX_JSON_BYTES"),
        stream_limits=BodyLimits(idle_s),
    )


async def take_place(request: Request) -> AsyncIterator[Parts]:
    """The parts, for one of the requests that are taken at once; raises Problem (429)."""
    parts: Parts = request.app.state.parts
    if parts.places.locked():
        raise Problem(
            429,
            "Too many requests at once",
            "Other submissions take all places (OCRSTREAM_MAX_REQUESTS); try again in a moment",
            headers={"Retry-After": "1"},
        )
    async with parts.places:
        yield parts


Taken = Annotated[Parts, Depends(take_place)]
