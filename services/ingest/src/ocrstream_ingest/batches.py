"""POST /v1/batches: images by reference, as a list, as a stream of lines, or as a prefix."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from ocrstream_ingest import ndjson
from ocrstream_ingest.answers import RESPONSES, accepted, request_error
from ocrstream_ingest.body import expect, pieces, whole
from ocrstream_ingest.idempotency import STREAM, Key, fingerprint_of, new_attempt, require_same
from ocrstream_ingest.models import BatchAccepted, BatchRequest, ListingRequest
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.parts import Parts, Taken
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.streams import publish_stream
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.fields import PATH_MAX_LENGTH

router = APIRouter(prefix="/v1", tags=["submit"])

_JSON = "application/json"
_NDJSON_EXAMPLE = (
    '{"batch_name": "scans of May", "options": {"lane": "urgent"}}\n'
    '{"image_path": "s3://scans/2026/05/0001.png"}\n'
    '{"image_path": "s3://scans/2026/05/0002.png", "source_name": "page two"}\n'
)


def _kind(told: Any) -> str:
    return "prefix" if isinstance(told, dict) and "prefix" in told else "images"


_REQUEST: TypeAdapter[BatchRequest | ListingRequest] = TypeAdapter(
    Annotated[
        Annotated[BatchRequest, Tag("images")] | Annotated[ListingRequest, Tag("prefix")],
        Discriminator(_kind),
    ]
)


@router.post(
    "/batches",
    status_code=202,
    response_model=BatchAccepted,
    responses=RESPONSES,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": {"anyOf": [schema_of(BatchRequest), schema_of(ListingRequest)]}},
                ndjson.MEDIA_TYPE: {
                    "schema": {
                        "type": "string",
                        "description": "One image reference a line, of any number. The first line"
                        " may describe the batch instead. Lines are published as they come; the"
                        " batch's total is announced last.",
                    },
                    "example": _NDJSON_EXAMPLE,
                },
            },
        }
    },
)
async def submit_batch(request: Request, parts: Taken, key: Key = None) -> Response:
    """Submit images by reference; answers when the broker has all of them."""
    if expect(request, _JSON, ndjson.MEDIA_TYPE) == ndjson.MEDIA_TYPE:
        return await _submit_lines(request, parts, key)
    body = await whole(request, parts.json_limits)
    try:
        told = _REQUEST.validate_json(body)
    except ValidationError as error:
        raise request_error(error, skip=1) from error
    fingerprint = fingerprint_of(request.url.path, body)
    found = await parts.attempts.find(key, fingerprint)
    if found is not None and found.answer is not None:
        return accepted(found.answer)
    attempt = found or new_attempt(fingerprint, batch_id=told.batch_id or str(uuid4()))
    submission = Submission(told, attempt.ids["batch_id"], attempt.begun_at)
    if isinstance(told, ListingRequest):
        references = parts.listing.references(told.prefix, told.glob)
        parts.backlog.admit([submission.topic])
        if found is None:
            await parts.attempts.begin(key, attempt)
        count, total = await publish_stream(
            parts.sender, submission, _listed(submission, references, told), told.batch_total
        )
    else:
        # More may follow in a batch that the client names: only it knows the places then.
        images = [
            submission.image(
                image.image_path,
                place if image.index is None and told.batch_id is None else image.index,
                pointer=lambda place=place: f"images/{place}/options",
                public_path=image.public_path,
                source_name=image.source_name,
                options=image.options,
            )
            for place, image in enumerate(told.images)
        ]
        count = len(images)
        total = count if told.batch_total is None else told.batch_total
        announcement = submission.announcement(total)
        parts.backlog.admit({submission.topic, *(image.topic for image in images)})
        if found is None:
            await parts.attempts.begin(key, attempt)
        await parts.sender.send(submission.batch_id, [announcement, *images])
    answer = _answer(parts, submission.batch_id, count, total)
    await parts.attempts.finish(key, attempt, fingerprint, answer)
    return accepted(answer)


async def _submit_lines(request: Request, parts: Parts, key: str | None) -> Response:
    # What is published is not known before its end, so a repeat is not told from another request
    # until then: what it publishes carries the first attempt's ids, and counts once.
    found = await parts.attempts.find(key, None)
    digest = hashlib.sha256()
    body = _hashed(pieces(request, parts.stream_limits), digest)
    path = request.url.path
    if found is not None and found.answer is not None:
        async for _ in body:
            pass
        require_same(found, fingerprint_of(path, digest.digest()))
        return accepted(found.answer)
    if found is not None:
        require_same(found, STREAM)
    lines = ndjson.Lines(body)
    told = await lines.description()
    attempt = found or new_attempt(STREAM, batch_id=told.batch_id or str(uuid4()))
    submission = Submission(told, attempt.ids["batch_id"], attempt.begun_at)
    if told.batch_id not in {None, submission.batch_id}:
        raise Problem(
            422,
            "Idempotency-Key used for another request",
            f"The key came before with the batch {submission.batch_id!r}",
        )
    parts.backlog.admit([submission.topic])
    if found is None:
        await parts.attempts.begin(key, attempt)
    images = _admitted(parts, lines.records(submission, places=told.batch_id is None))
    count, total = await publish_stream(parts.sender, submission, images, told.batch_total)
    answer = _answer(parts, submission.batch_id, count, total)
    await parts.attempts.finish(key, attempt, fingerprint_of(path, digest.digest()), answer)
    return accepted(answer)


async def _admitted(
    parts: Parts, images: AsyncIterator[list[Record]]
) -> AsyncGenerator[list[Record]]:
    """The images, if the lanes that the first of them name may take more; raises Problem (503).

    Lanes that are named later are not looked at: a stream of which something was taken goes on.
    """
    first = True
    async for records in images:
        if first:
            parts.backlog.admit({record.topic for record in records})
            first = False
        yield records


async def _hashed(body: AsyncIterator[bytes], digest: Any) -> AsyncGenerator[bytes]:
    async for piece in body:
        digest.update(piece)
        yield piece


async def _listed(
    submission: Submission, references: AsyncIterator[list[str]], told: ListingRequest
) -> AsyncGenerator[list[Record]]:
    place = 0
    async for group in references:
        records: list[Record] = []
        for reference in group:
            if len(reference) > PATH_MAX_LENGTH:
                raise Problem(
                    422,
                    "A reference is too long",
                    f"{reference} has {len(reference)} characters; {PATH_MAX_LENGTH} are allowed",
                )
            # What is there may change before a repeat: a path's chain does not depend on its place.
            records.append(
                submission.image(
                    reference, place, by_path=True, pointer=lambda place=place: f"listed {place}"
                )
            )
            place += 1
        yield records
    if not place:
        raise Problem(
            422, "No images", f"Nothing beneath {told.prefix} matches the glob {told.glob!r}"
        )


def _answer(parts: Parts, batch_id: str, count: int, total: int) -> str:
    return BatchAccepted(
        batch_id=batch_id,
        total_images=total,
        accepted_images=count,
        links=parts.links(batch_id),
    ).model_dump_json()
