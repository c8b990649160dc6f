"""POST /v1/batches/{batch_id}/cancel and /retry."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, TypeAdapter

from ocrstream_ingest.dependencies import AdmittedRequest, Dependencies, Idempotent
from ocrstream_ingest.models import (
    CancelAccepted,
    CancelRequest,
    RetryAccepted,
    RetryRequest,
    require_storable,
)
from ocrstream_ingest.openapi import schema_of
from ocrstream_ingest.publisher import command_record
from ocrstream_ingest.request_body import read_body, require_media_type
from ocrstream_ingest.responses import RESPONSES, accepted_response, parse_body
from ocrstream_schemas.events import BatchRetryRequested, BatchRevoked

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["commands"])

_JSON = "application/json"
_RETRY: TypeAdapter[RetryRequest] = TypeAdapter(RetryRequest)
_CANCEL: TypeAdapter[CancelRequest] = TypeAdapter(CancelRequest)

BatchId = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(require_storable)]


@router.post(
    "/cancel",
    status_code=202,
    response_model=CancelAccepted,
    responses={**RESPONSES, 404: {"description": "The recorder does not know the batch (yet)"}},
    openapi_extra={
        "requestBody": {"content": {_JSON: {"schema": schema_of(CancelRequest)}}},
    },
)
async def cancel_batch(
    batch_id: BatchId, request: Request, dependencies: AdmittedRequest, idempotent: Idempotent
) -> Response:
    """Cancels the unfinished images of a batch; responds when the broker has the command."""
    body = await _read_optional_body(request, dependencies)
    cancel: CancelRequest = parse_body(_CANCEL, body)
    attempt = await idempotent.attempt(body)
    if attempt.response is not None:
        return accepted_response(attempt.response)
    if "run" not in attempt.ids:
        attempt.ids["run"] = await dependencies.recorder.fetch_run(batch_id)
    run: int = attempt.ids["run"]
    event = BatchRevoked(
        batch_id=batch_id, run=run, initiated_by=cancel.initiated_by, revoked_at=attempt.begun_at
    )
    await attempt.begin()
    await dependencies.publisher.publish(batch_id, [command_record(event)])
    return await attempt.finish(
        CancelAccepted(batch_id=batch_id, run=run, links=dependencies.links(batch_id))
    )


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
    batch_id: BatchId, request: Request, dependencies: AdmittedRequest, idempotent: Idempotent
) -> Response:
    """Retries a batch's failed and revoked images; responds when the broker has the command."""
    body = await _read_optional_body(request, dependencies)
    retry: RetryRequest = parse_body(_RETRY, body)
    attempt = await idempotent.attempt(body)
    if attempt.response is not None:
        return accepted_response(attempt.response)
    request_id: str = attempt.ids.setdefault("request_id", str(uuid4()))
    event = BatchRetryRequested(
        batch_id=batch_id,
        request_id=request_id,
        include_no_text=retry.include_no_text,
        initiated_by=retry.initiated_by,
        requested_at=attempt.begun_at,
    )
    await attempt.begin()
    await dependencies.publisher.publish(batch_id, [command_record(event)])
    return await attempt.finish(
        RetryAccepted(batch_id=batch_id, request_id=request_id, links=dependencies.links(batch_id))
    )


async def _read_optional_body(request: Request, dependencies: Dependencies) -> bytes:
    """Returns the body; a client may omit it, which means an empty object."""
    body = await read_body(request, dependencies.json_limits)
    if body:
        require_media_type(request, _JSON)
    return body or b"{}"
