"""The paths of ingest's API."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, Form, Request, UploadFile

from ocrstream_ingest import metrics
from ocrstream_ingest.models import (
    MAX_FILES,
    BatchAccepted,
    BatchRequest,
    Count,
    Identifier,
    ImageReference,
    Index,
    Name,
    UploadAccepted,
    UploadedImage,
)
from ocrstream_ingest.publisher import Publisher
from ocrstream_ingest.uploads import Uploads
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.codec import InvalidRecord, check_open_fields
from ocrstream_schemas.events import BatchSubmitted, Event, ImageSubmitted
from ocrstream_schemas.ids import RecordRef, derive_chain_id

router = APIRouter(prefix="/v1", tags=["submit"])

_SOURCE_NAME_MAX_LENGTH = 1024
# With a batch no coordinates go into a chain's id.
_NO_RECORD = RecordRef("", 0, 0, 0)

RESPONSES: dict[int | str, dict[str, Any]] = {
    413: {"description": "Too large, as a problem document"},
    503: {"description": "Kafka did not acknowledge; try again, as a problem document"},
}


def get_publisher(request: Request) -> Publisher:
    """The application's publisher."""
    return request.app.state.publisher


def get_uploads(request: Request) -> Uploads:
    """The application's store of uploads."""
    return request.app.state.uploads


Publishing = Annotated[Publisher, Depends(get_publisher)]
Storing = Annotated[Uploads, Depends(get_uploads)]


@router.post("/batches", status_code=202, responses=RESPONSES)
async def submit_batch(request: BatchRequest, publisher: Publishing) -> BatchAccepted:
    """Submit images by reference; answers when the broker has all of them."""
    batch_id = request.batch_id or str(uuid4())
    now = datetime.now(UTC)
    total = len(request.images) if request.batch_total is None else request.batch_total
    images = [
        _submission(batch_id, reference, place, request, now)
        for place, reference in enumerate(request.images)
    ]
    batch = BatchSubmitted(
        batch_id=batch_id,
        batch_name=request.batch_name,
        total_images=total,
        chunk_size=request.chunk_size,
        initiated_by=request.initiated_by,
        options=request.options,
        submitted_at=now,
    )
    _check(batch, "options")
    await publisher.publish(batch_id, batch, images)
    return BatchAccepted(batch_id=batch_id, total_images=total, accepted_images=len(images))


@router.post("/images", status_code=202, responses=RESPONSES)
async def upload_images(
    files: Annotated[list[UploadFile], Form(min_length=1, max_length=MAX_FILES)],
    publisher: Publishing,
    uploads: Storing,
    *,
    batch_id: Annotated[Identifier | None, Form()] = None,
    batch_name: Annotated[Name | None, Form()] = None,
    first_index: Annotated[Index | None, Form(description="Index of the first file")] = None,
    batch_total: Annotated[
        Count | None, Form(description="Images in all, if this request is not the whole batch")
    ] = None,
) -> UploadAccepted:
    """Upload images; answers when they are stored and the broker has their references."""
    total = len(files) if batch_total is None else batch_total
    start = 0 if batch_id is None and first_index is None else first_index
    batch_id = batch_id or str(uuid4())
    now = datetime.now(UTC)
    images: list[ImageSubmitted] = []
    for place, file in enumerate(files):
        index = None if start is None else start + place
        image_path = await uploads.keep(file.file, file.filename, batch_id, index)
        metrics.UPLOADED_BYTES.inc(file.size or 0)
        images.append(
            ImageSubmitted(
                image_path=image_path,
                chain_id=derive_chain_id(batch_id, index, image_path, _NO_RECORD, b""),
                batch_id=batch_id,
                index=index,
                source_name=_source_name(file.filename),
                submitted_at=now,
            )
        )
    batch = BatchSubmitted(
        batch_id=batch_id, batch_name=batch_name, total_images=total, submitted_at=now
    )
    await publisher.publish(batch_id, batch, images)
    return UploadAccepted(
        batch_id=batch_id,
        images=[
            UploadedImage(
                index=image.index,
                image_path=image.image_path,
                chain_id=str(image.chain_id),
                source_name=image.source_name,
            )
            for image in images
        ],
    )


def _submission(
    batch_id: str, reference: ImageReference, place: int, request: BatchRequest, now: datetime
) -> ImageSubmitted:
    # More may follow in a batch that the client names: only it knows the places then.
    index = place if reference.index is None and request.batch_id is None else reference.index
    image = ImageSubmitted(
        image_path=reference.image_path,
        chain_id=derive_chain_id(batch_id, index, reference.image_path, _NO_RECORD, b""),
        batch_id=batch_id,
        index=index,
        public_path=reference.public_path,
        source_name=reference.source_name,
        options=reference.options,
        initiated_by=request.initiated_by,
        submitted_at=now,
    )
    _check(image, f"images/{place}/options")
    return image


def _check(event: Event, pointer: str) -> None:
    try:
        check_open_fields(event, msgspec.json.encode(event))
    except InvalidRecord as error:
        raise Problem(
            422,
            "The request breaks its schema",
            f"#/{pointer}: {error}",
            errors=[{"pointer": f"#/{pointer}", "detail": str(error)}],
        ) from error


def _source_name(name: str | None) -> str | None:
    if not name:
        return None
    return name.replace("\0", "").encode("utf-8", "replace").decode()[-_SOURCE_NAME_MAX_LENGTH:]
