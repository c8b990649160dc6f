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
from ocrstream_ingest.answers import RESPONSES, accepted, request_error
from ocrstream_ingest.body import expect
from ocrstream_ingest.form import FILES_FIELD, FormReader, ReceivedFile
from ocrstream_ingest.idempotency import Key, fingerprint_of, new_attempt
from ocrstream_ingest.models import INDEX_MAX, UploadAccepted, UploadBody, UploadedImage, UploadForm
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.parts import Parts, Taken
from ocrstream_ingest.places import place_of, suffix_of
from ocrstream_ingest.submission import Submission
from ocrstream_ingest.uploads import Move
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["submit"])

_FORM = "multipart/form-data"
_PAGE_SUFFIX = ".png"


@dataclass(frozen=True)
class _Image:
    """An image of the request: where it is, where it goes to, and what is told of it."""

    source: Path
    place: str
    index: int | None
    source_name: str | None
    page: int | None


@router.post(
    "/images",
    status_code=202,
    response_model=UploadAccepted,
    responses=RESPONSES,
    openapi_extra={
        "requestBody": {"required": True, "content": {_FORM: {"schema": schema_of(UploadBody)}}}
    },
)
async def upload_images(request: Request, parts: Taken, key: Key = None) -> Response:
    """Upload images; answers when they are stored and the broker has their references.

    A PDF or a TIFF of several frames becomes one image a page.
    """
    expect(request, _FORM)
    async with parts.uploads.receive(request, parts.upload_limits) as form:
        told = _told(form)
        fingerprint = _fingerprint(request.url.path, form)
        found = await parts.attempts.find(key, fingerprint)
        if found is not None and found.answer is not None:
            return accepted(found.answer)
        attempt = found or new_attempt(fingerprint, batch_id=told.batch_id or str(uuid4()))
        submission = Submission(told, attempt.ids["batch_id"], attempt.begun_at)
        parts.backlog.admit([submission.topic])
        images = await _images(parts, form.files, told, submission.batch_id)
        total = _total(told, images, len(form.files))
        records = [
            submission.image(
                parts.uploads.reference(image.place),
                image.index,
                source_name=image.source_name,
                page=image.page,
                pointer=lambda: "options",
            )
            for image in images
        ]
        announcement = submission.announcement(total)
        if found is None:
            await parts.attempts.begin(key, attempt)
        await parts.uploads.keep([Move(image.source, image.place) for image in images])
        metrics.UPLOADED_BYTES.inc(sum(file.size for file in form.files))
        await parts.sender.send(submission.batch_id, [announcement, *records])
        answer = _answer(parts, submission, images, total)
        await parts.attempts.finish(key, attempt, fingerprint, answer)
    return accepted(answer)


def _told(form: FormReader) -> UploadForm:
    fields: dict[str, Any] = dict(form.fields)
    if "options" in fields:
        try:
            fields["options"] = msgspec.json.decode(fields["options"])
        except (msgspec.DecodeError, RecursionError) as error:
            raise Problem(
                422,
                "The request breaks its schema",
                f"#/options: is no JSON: {error}",
                errors=[{"pointer": "#/options", "detail": f"is no JSON: {error}"}],
            ) from error
    try:
        told = UploadForm.model_validate(fields)
    except ValidationError as error:
        raise request_error(error) from error
    if not form.files:
        why = f"send at least one file in the field {FILES_FIELD!r}"
        raise Problem(
            422,
            "No files",
            f"#/{FILES_FIELD}: {why}",
            errors=[{"pointer": f"#/{FILES_FIELD}", "detail": why}],
        )
    return told


def _fingerprint(path: str, form: FormReader) -> str:
    # Not of the body's bytes: each repeat has another boundary.
    content = [sorted(form.fields.items()), [(file.name, file.sha256) for file in form.files]]
    return fingerprint_of(path, msgspec.json.encode(content))


async def _images(
    parts: Parts, files: Sequence[ReceivedFile], told: UploadForm, batch_id: str
) -> list[_Image]:
    split = await parts.documents.split(files)
    first = told.first_index
    # Else the client counts files: a place for each further page would be another file's.
    counted = (first is not None and told.index_pages) or (told.batch_id is None and first is None)
    images: list[_Image] = []
    copies: Counter[str] = Counter()
    for number, (file, pages) in enumerate(zip(files, split, strict=True)):
        copy = copies[file.sha256]
        copies[file.sha256] += 1
        for page, source in enumerate(pages, 1) if pages else ((None, file.path),):
            if counted:
                seat = index = (first or 0) + len(images)
            else:
                seat = None if first is None else first + number
                index = seat if (page or 1) == 1 else None
            suffix = suffix_of(file.name) if page is None else _PAGE_SUFFIX
            place = place_of(batch_id, seat, file.sha256, suffix, copy=copy, page=page or 0)
            images.append(_Image(source, place, index, file.name, page))
    if max(image.index or 0 for image in images) > INDEX_MAX:
        raise Problem(
            422,
            "The request breaks its schema",
            f"#/first_index: {first} leaves no room for {len(images)} images up to {INDEX_MAX:,}",
        )
    return images


def _total(told: UploadForm, images: Sequence[_Image], files: int) -> int | None:
    if told.batch_open:
        return None
    # Who counts the batch counts files: pages are more.
    return len(images) if told.batch_total is None else told.batch_total + len(images) - files


def _answer(
    parts: Parts, submission: Submission, images: Sequence[_Image], total: int | None
) -> str:
    uploaded: list[UploadedImage] = []
    for image in images:
        reference = parts.uploads.reference(image.place)
        uploaded.append(
            UploadedImage(
                index=image.index,
                image_path=reference,
                chain_id=submission.chain_id(reference, image.index),
                source_name=image.source_name,
                page=image.page,
            )
        )
    answer = UploadAccepted(
        batch_id=submission.batch_id,
        total_images=total,
        accepted_images=len(images),
        links=parts.links(submission.batch_id),
        images=uploaded,
    )
    return answer.model_dump_json()
