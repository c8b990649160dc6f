"""POST /v1/batches: image references as a JSON list, as NDJSON lines, or as a prefix to list."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from ocrstream_ingest import ndjson
from ocrstream_ingest.dependencies import AdmittedRequest, Dependencies, Idempotent
from ocrstream_ingest.idempotency import IdempotentRequest
from ocrstream_ingest.models import BatchAccepted, BatchRequest, ListingRequest, RefusedImage
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.request_body import read_body, read_chunks, require_media_type
from ocrstream_ingest.responses import RESPONSES, accepted_response, body_error
from ocrstream_ingest.storage_keys import refused_reference, upload_key
from ocrstream_ingest.stream_publishing import publish_stream
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.events import Reason, Refusal
from ocrstream_schemas.fields import PATH_MAX_LENGTH, SOURCE_NAME_MAX_LENGTH

router = APIRouter(prefix="/v1", tags=["submit"])

_JSON = "application/json"
_NDJSON_EXAMPLE = (
    '{"batch_name": "scans of May", "options": {"lane": "urgent"}}\n'
    '{"image_path": "s3://scans/2026/05/0001.png"}\n'
    '{"image_path": "s3://scans/2026/05/0002.png", "source_name": "page two"}\n'
)


def _request_kind(body: Any) -> str:
    return "prefix" if isinstance(body, dict) and "prefix" in body else "images"


_REQUEST: TypeAdapter[BatchRequest | ListingRequest] = TypeAdapter(
    Annotated[
        Annotated[BatchRequest, Tag("images")] | Annotated[ListingRequest, Tag("prefix")],
        Discriminator(_request_kind),
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
                        "description": "One image reference per line, any number of lines. The"
                        " first line may describe the batch instead. Ingest publishes lines as they"
                        " arrive, and the batch's total last.",
                    },
                    "example": _NDJSON_EXAMPLE,
                },
            },
        }
    },
)
async def submit_batch(
    request: Request, dependencies: AdmittedRequest, idempotent: Idempotent
) -> Response:
    """Submits images by reference; responds when the broker has all of them."""
    if require_media_type(request, _JSON, ndjson.MEDIA_TYPE) == ndjson.MEDIA_TYPE:
        return await _submit_lines(request, dependencies, idempotent)
    body = await read_body(request, dependencies.json_limits)
    try:
        batch = _REQUEST.validate_json(body)
    except ValidationError as error:
        raise body_error(error, skip=1) from error
    attempt = await idempotent.attempt(body)
    if attempt.response is not None:
        return accepted_response(attempt.response)
    batch_id: str = attempt.ids.setdefault("batch_id", batch.batch_id or str(uuid4()))
    submission = Submission(batch, batch_id, attempt.begun_at)
    if isinstance(batch, ListingRequest):
        references = dependencies.prefixes.list_references(batch.prefix, batch.glob)
        dependencies.worker_lag.require_capacity([submission.topic])
        await attempt.begin()
        accepted, total = await publish_stream(
            dependencies.publisher,
            submission,
            _listed_records(submission, references, batch),
            batch.batch_total,
        )
    else:
        records = _referenced_records(submission, batch)
        accepted = len(records)
        total = accepted if batch.batch_total is None else batch.batch_total
        batch_record = submission.batch_record(total)
        topics = {submission.topic, *(record.topic for record in records)}
        dependencies.worker_lag.require_capacity(topics)
        await attempt.begin()
        await dependencies.publisher.publish(batch_id, [batch_record, *records])
    return await attempt.finish(_response(dependencies, batch_id, accepted, total))


async def _submit_lines(
    request: Request, dependencies: Dependencies, idempotent: IdempotentRequest
) -> Response:
    attempt = await idempotent.stream_attempt()
    digest = hashlib.sha256()
    chunks = _hash_chunks(read_chunks(request, dependencies.stream_limits), digest)
    if attempt.response is not None:
        async for _ in chunks:
            pass
        attempt.require_same_content(digest.digest())
        return accepted_response(attempt.response)
    lines = ndjson.BatchLines(chunks)
    description = await lines.read_description()
    batch_id: str = attempt.ids.setdefault("batch_id", description.batch_id or str(uuid4()))
    submission = Submission(description, batch_id, attempt.begun_at)
    if description.batch_id not in {None, batch_id}:
        raise ProblemError(
            422,
            "Idempotency-Key belongs to another request",
            f"An earlier request with this key submitted the batch {batch_id!r}",
        )
    dependencies.worker_lag.require_capacity([submission.topic])
    await attempt.begin()
    records = _require_capacity(
        dependencies, lines.read_records(submission, number_images=description.batch_id is None)
    )
    accepted, total = await publish_stream(
        dependencies.publisher, submission, records, description.batch_total
    )
    return await attempt.finish(
        _response(dependencies, batch_id, accepted, total), content=digest.digest()
    )


def _referenced_records(submission: Submission, batch: BatchRequest) -> list[Record]:
    # A batch that the client names may have more requests, so only the client knows the indexes.
    number_images = batch.batch_id is None
    return [
        submission.image_record(
            image.image_path,
            position if image.index is None and number_images else image.index,
            pointer=lambda position=position: f"images/{position}/options",
            public_path=image.public_path,
            source_name=image.source_name,
            options=image.options,
            refused=_refusal(image.refused),
        )
        for position, image in enumerate(batch.images)
    ]


def _refusal(refused: RefusedImage | None) -> Refusal | None:
    return None if refused is None else Refusal(reason=refused.reason, error=refused.error)


async def _listed_records(
    submission: Submission, references: AsyncIterator[list[str]], listing: ListingRequest
) -> AsyncGenerator[list[Record]]:
    """Yields a record for each reference, a page at a time. Raises ProblemError (413, 422).

    It refuses a reference that is too long for an event.
    """
    position = 0
    async for page in references:
        records: list[Record] = []
        for reference in page:
            image_path, name, refused = reference, None, None
            if len(reference) > PATH_MAX_LENGTH:
                digest = hashlib.sha256(reference.encode()).hexdigest()
                image_path = refused_reference(upload_key(submission.batch_id, None, digest, ""))
                name = reference[-SOURCE_NAME_MAX_LENGTH:]
                error = (
                    f"The reference has {len(reference)} characters; {PATH_MAX_LENGTH} are allowed"
                )
                refused = Refusal(reason=Reason.REFUSED, error=error)
            # The listing may change before a repeat, so the chain's id depends on the path, not on
            # the position.
            records.append(
                submission.image_record(
                    image_path,
                    position,
                    chain_by_path=True,
                    pointer=lambda position=position: f"listed {position}",
                    source_name=name,
                    refused=refused,
                )
            )
            position += 1
        yield records
    if not position:
        raise ProblemError(
            422, "No images", f"No name beneath {listing.prefix} matches the glob {listing.glob!r}"
        )


async def _require_capacity(
    dependencies: Dependencies, groups: AsyncIterator[list[Record]]
) -> AsyncGenerator[list[Record]]:
    """Yields the groups, if the lanes of the first one have capacity. Raises ProblemError (503).

    Later groups are not checked: once ingest has published a part of a stream, it publishes all.
    """
    first = True
    async for records in groups:
        if first:
            dependencies.worker_lag.require_capacity({record.topic for record in records})
            first = False
        yield records


async def _hash_chunks(chunks: AsyncIterator[bytes], digest: Any) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _response(
    dependencies: Dependencies, batch_id: str, accepted: int, total: int
) -> BatchAccepted:
    return BatchAccepted(
        batch_id=batch_id,
        total_images=total,
        accepted_images=accepted,
        links=dependencies.links(batch_id),
    )
