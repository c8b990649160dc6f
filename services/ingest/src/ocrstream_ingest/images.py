"""POST /v1/images: uploads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from ocrstream_ingest import metrics
from ocrstream_ingest.dependencies import AdmittedRequest, Dependencies, Idempotent
from ocrstream_ingest.form import FILES_FIELD, FormParser, ReceivedFile
from ocrstream_ingest.models import (
    INDEX_MAX,
    RefusedImage,
    UploadAccepted,
    UploadBody,
    UploadedImage,
    UploadForm,
)
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.request_body import require_media_type
from ocrstream_ingest.responses import RESPONSES, accepted_response, body_error
from ocrstream_ingest.storage_keys import file_suffix, refused_reference, upload_key
from ocrstream_ingest.submission import Submission
from ocrstream_ingest.uploads import Move
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.events import Refusal
from ocrstream_schemas.fields import MAX_BATCH_IMAGES

router = APIRouter(prefix="/v1", tags=["submit"])

_FORM = "multipart/form-data"
_PAGE_SUFFIX = ".png"


@dataclass(frozen=True)
class _Image:
    """An image of the request: the received file, its storage key, and what its event says.

    There is no file if it is `refused`.
    """

    source: Path
    key: str
    reference: str
    index: int | None
    source_name: str | None
    page: int | None
    refused: Refusal | None


@router.post(
    "/images",
    status_code=202,
    response_model=UploadAccepted,
    responses=RESPONSES,
    openapi_extra={
        "requestBody": {"required": True, "content": {_FORM: {"schema": schema_of(UploadBody)}}}
    },
)
async def upload_images(
    request: Request, dependencies: AdmittedRequest, idempotent: Idempotent
) -> Response:
    """Uploads images; responds when they are stored and the broker has their references.

    Each page of a PDF or of a multi-frame TIFF becomes an image. A file that cannot be used becomes
    one image, which has failed with the reason in `refused`; the others are not affected.
    """
    require_media_type(request, _FORM)
    async with dependencies.uploads.receive_form(request, dependencies.upload_limits) as form:
        upload = _validate(form)
        attempt = await idempotent.attempt(_content_of(form))
        if attempt.response is not None:
            return accepted_response(attempt.response)
        batch_id: str = attempt.ids.setdefault("batch_id", upload.batch_id or str(uuid4()))
        submission = Submission(upload, batch_id, attempt.begun_at)
        dependencies.worker_lag.require_capacity([submission.topic])
        images = await _split_files(dependencies, form.files, upload, batch_id)
        total = _total(upload, images, len(form.files))
        records = [
            submission.image_record(
                image.reference,
                image.index,
                source_name=image.source_name,
                page=image.page,
                pointer=lambda: "options",
                refused=image.refused,
            )
            for image in images
        ]
        batch_record = submission.batch_record(total)
        await attempt.begin()
        await dependencies.uploads.store(
            [Move(image.source, image.key) for image in images if image.refused is None]
        )
        metrics.UPLOADED_BYTES.inc(sum(file.size for file in form.files if file.refused is None))
        await dependencies.publisher.publish(batch_id, [batch_record, *records])
        return await attempt.finish(_response(dependencies, submission, images, total))


def _validate(form: FormParser) -> UploadForm:
    """Returns the form's fields. Raises ProblemError (422), RequestValidationError."""
    fields: dict[str, Any] = dict(form.fields)
    if "options" in fields:
        try:
            fields["options"] = msgspec.json.decode(fields["options"])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProblemError(
                422,
                "The request breaks its schema",
                f"#/options: is not valid JSON: {error}",
                errors=[{"pointer": "#/options", "detail": f"is not valid JSON: {error}"}],
            ) from error
    try:
        upload = UploadForm.model_validate(fields)
    except ValidationError as error:
        raise body_error(error) from error
    if not form.files:
        detail = f"send at least one file in the field {FILES_FIELD!r}"
        raise ProblemError(
            422,
            "No files",
            f"#/{FILES_FIELD}: {detail}",
            errors=[{"pointer": f"#/{FILES_FIELD}", "detail": detail}],
        )
    return upload


def _content_of(form: FormParser) -> bytes:
    # The body's own bytes differ between repeats, because each has another boundary. Not even the
    # digest of a password may reach the disk.
    fields = {name: "" if name == "pdf_password" else value for name, value in form.fields.items()}
    content = [sorted(fields.items()), [(file.name, file.sha256) for file in form.files]]
    return msgspec.json.encode(content)


async def _split_files(
    dependencies: Dependencies, files: Sequence[ReceivedFile], upload: UploadForm, batch_id: str
) -> list[_Image]:
    """Returns the images of all files, one for each page of a document, one for a refused file.

    Raises ProblemError (413, 422, 503).
    """
    pages_by_file = await dependencies.documents.split(
        files, upload.pdf_password.get_secret_value() if upload.pdf_password else None
    )
    first = upload.first_index
    # A client that counts files itself gives the next file the next index, so the further pages of
    # a document have none.
    index_pages = (first is not None and upload.index_pages) or (
        upload.batch_id is None and first is None
    )
    images: list[_Image] = []
    copies: Counter[str] = Counter()
    for number, (file, split) in enumerate(zip(files, pages_by_file, strict=True)):
        refused, pages = (split, ()) if isinstance(split, Refusal) else (None, split)
        copy = copies[file.sha256]
        copies[file.sha256] += 1
        for page, source in enumerate(pages, 1) if pages else ((None, file.path),):
            if index_pages:
                key_index = index = (first or 0) + len(images)
            else:
                key_index = None if first is None else first + number
                index = key_index if (page or 1) == 1 else None
            suffix = file_suffix(file.name) if page is None else _PAGE_SUFFIX
            key = upload_key(batch_id, key_index, file.sha256, suffix, copy=copy, page=page or 0)
            reference = dependencies.uploads.reference(key)
            if refused is not None:
                reference = refused_reference(key)
            images.append(_Image(source, key, reference, index, file.name, page, refused))
    if max(image.index or 0 for image in images) > INDEX_MAX:
        raise ProblemError(
            422,
            "The request breaks its schema",
            f"#/first_index: {first} plus {len(images)} images exceeds the index {INDEX_MAX:,}",
        )
    return images


def _total(upload: UploadForm, images: Sequence[_Image], files: int) -> int | None:
    """Returns the batch's total; None if it is not known yet. Raises ProblemError (422)."""
    if upload.batch_open:
        return None
    if upload.batch_total is None:
        return len(images)
    # A client that announces a total counts files, of which documents have several images.
    total = upload.batch_total + len(images) - files
    if total > MAX_BATCH_IMAGES:
        raise ProblemError(
            422,
            "The request breaks its schema",
            f"#/batch_total: with the pages of documents the batch has {total:,} images;"
            f" {MAX_BATCH_IMAGES:,} are allowed, so split it",
        )
    return total


def _response(
    dependencies: Dependencies, submission: Submission, images: Sequence[_Image], total: int | None
) -> UploadAccepted:
    uploaded: list[UploadedImage] = []
    for image in images:
        refused = image.refused
        uploaded.append(
            UploadedImage(
                index=image.index,
                image_path=image.reference,
                chain_id=submission.chain_id(image.reference, image.index),
                source_name=image.source_name,
                page=image.page,
                refused=refused and RefusedImage(reason=refused.reason, error=refused.error),
            )
        )
    return UploadAccepted(
        batch_id=submission.batch_id,
        total_images=total,
        accepted_images=len(images),
        links=dependencies.links(submission.batch_id),
        images=uploaded,
    )
