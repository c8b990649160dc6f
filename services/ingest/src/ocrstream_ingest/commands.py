"""POST /v1/batches/{batch_id}/cancel and /retry."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, BaseModel, TypeAdapter

from ocrstream_ingest.answers import RESPONSES, accepted, validated
from ocrstream_ingest.body import expect, whole
from ocrstream_ingest.idempotency import Attempt, Key, fingerprint_of, new_attempt
from ocrstream_ingest.models import (
    CancelAccepted,
    CancelRequest,
    RetryAccepted,
    RetryRequest,
    storable,
)
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.parts import Parts, Taken
from ocrstream_ingest.publisher import command_record
from ocrstream_schemas.events import BatchRetryRequested, BatchRevoked, CommandEvent

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["commands"])

_JSON = "application/json"
_RETRY: TypeAdapter[RetryRequest] = TypeAdapter(RetryRequest)
_CANCEL: TypeAdapter[CancelRequest] = TypeAdapter(CancelRequest)

BatchId = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(storable)]


@router.post(
    "/cancel",
    status_code=202,
    response_model=CancelAccepted,
    responses={**RESPONSES, 404: {"description": "The recorder knows of no such batch (yet)"}},
    openapi_extra={
        "requestBody": {"content": {_JSON: {"schema": schema_of(CancelRequest)}}},
    },
)
async def cancel_batch(
    batch_id: BatchId, request: Request, parts: Taken, key: Key = None
) -> Response:
    """Cancel what is not finished of a batch; answers when the broker has the cancel."""
    body = await _body(request, parts)
    told = validated(_CANCEL, body)
    fingerprint = fingerprint_of(request.url.path, body)
    found = await parts.attempts.find(key, fingerprint)
    if found is not None and found.answer is not None:
        return accepted(found.answer)
    attempt = found or new_attempt(fingerprint, run=await parts.recorder.run_of(batch_id))
    if found is None:
        await parts.attempts.begin(key, attempt)
    run: int = attempt.ids["run"]
    event = BatchRevoked(
        batch_id=batch_id, run=run, initiated_by=told.initiated_by, revoked_at=attempt.begun_at
    )
    answer = CancelAccepted(batch_id=batch_id, run=run, links=parts.links(batch_id))
    return await _publish(parts, event, key, attempt, answer)


@router.post(
    "/retry",
    status_code=202,
    response_model=RetryAccepted,
    responses=RESPONSES,
    openapi_extra={
        "requestBody": {"content": {_JSON: {"schema": schema_of(RetryRequest)}}},
    },
)
async def retry_batch(
    batch_id: BatchId, request: Request, parts: Taken, key: Key = None
) -> Response:
    """Read a batch's failed and revoked images again; answers when the broker has the request."""
    body = await _body(request, parts)
    told = validated(_RETRY, body)
    fingerprint = fingerprint_of(request.url.path, body)
    found = await parts.attempts.find(key, fingerprint)
    if found is not None and found.answer is not None:
        return accepted(found.answer)
    attempt = found or new_attempt(fingerprint, request_id=str(uuid4()))
    if found is None:
        await parts.attempts.begin(key, attempt)
    request_id: str = attempt.ids["request_id"]
    event = BatchRetryRequested(
        batch_id=batch_id,
        request_id=request_id,
        include_no_text=told.include_no_text,
        initiated_by=told.initiated_by,
        requested_at=attempt.begun_at,
    )
    answer = RetryAccepted(batch_id=batch_id, request_id=request_id, links=parts.links(batch_id))
    return await _publish(parts, event, key, attempt, answer)


async def _body(request: Request, parts: Parts) -> bytes:
    """The body, which may be left out."""
    body = await whole(request, parts.json_limits)
    if body:
        expect(request, _JSON)
    return body or b"{}"


async def _publish(
    parts: Parts, event: CommandEvent, key: str | None, attempt: Attempt, answer: BaseModel
) -> Response:
    await parts.sender.send(event.batch_id, [command_record(event)])
    content = answer.model_dump_json()
    await parts.attempts.finish(key, attempt, attempt.fingerprint, content)
    return accepted(content)
