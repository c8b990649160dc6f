"""The paths about dead letters."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import AfterValidator, WithJsonSchema

from ocrstream_recorder.api.cursors import MAX_ROW_ID
from ocrstream_recorder.api.dead_letter_models import (
    Bytes,
    DeadLetterDetail,
    DeadLetterItem,
    DeadLetterState,
    Done,
    Drop,
    NotDone,
    Redrive,
)
from ocrstream_recorder.api.dead_letter_views import DeadLetterViews
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.parameters import Cursor, Limit, Text
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.dead_letters.redrive import kept_of_row, origin_of_row, redrive
from ocrstream_recorder.errors import (
    DeadLetterDeletedError,
    DeadLettersUnavailableError,
    NotRedrivenError,
)
from ocrstream_recorder.rules.rejection import RejectionReason
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.topics import RECORDED_TOPICS

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"description": "Kafka or the database cannot be asked now"}
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such dead letter"}}


def _recorded(topic: str) -> str:
    if topic not in RECORDED_TOPICS:
        raise ValueError(f"is none of {', '.join(RECORDED_TOPICS)}")
    return topic


RecordedTopic = Annotated[
    str,
    AfterValidator(_recorded),
    WithJsonSchema({"type": "string", "enum": list(RECORDED_TOPICS)}),
]


def _views(request: Request) -> DeadLetterViews:
    return DeadLetterViews(request.app.state.writing_engine)


def _letter_box(request: Request) -> DeadLetterRecords:
    return request.app.state.letter_box


Views = Annotated[DeadLetterViews, Depends(_views)]
Letters = Annotated[DeadLetterRecords, Depends(_letter_box)]


@router.get("", responses=_UNAVAILABLE)
async def list_dead_letters(
    views: Views,
    *,
    topic: RecordedTopic | None = None,
    reason: RejectionReason | None = None,
    state: DeadLetterState | None = None,
    batch_id: Text = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeadLetterItem]:
    """Dead letters, the newest first; each once, however often it was written."""
    return await views.page(
        topic=topic, reason=reason, state=state, batch_id=batch_id, cursor=cursor, limit=limit
    )


@router.get("/{letter_id}", responses=_UNAVAILABLE | _NOT_FOUND)
async def read_dead_letter(
    letter_id: Annotated[int, Path(ge=1, le=MAX_ROW_ID)], views: Views, letters: Letters
) -> DeadLetterDetail:
    """A dead letter with its record's key, value and headers."""
    row = await views.letter(letter_id)
    if row is None:
        raise Problem(404, "No such dead letter", f"There is no dead letter {letter_id}")
    try:
        async with letters.reader() as reader:
            record = await reader.read(kept_of_row(row), origin_of_row(row))
    except DeadLetterDeletedError:
        return DeadLetterDetail.of(row, gone=True)
    except DeadLettersUnavailableError as error:
        raise _kafka_unavailable() from error
    return DeadLetterDetail.of(
        row,
        gone=False,
        key=Bytes.of(record.key),
        value=Bytes.of(record.value),
        headers=DeadLetterDetail.headers_of(record.headers),
    )


@router.post("/redrive", responses=_UNAVAILABLE)
async def redrive_dead_letters(asked: Redrive, views: Views, letters: Letters) -> Done:
    """Send dead letters to their topics again, with their origin headers.

    Asking again is safe: those that were redriven and have not failed since are left as they are.
    """
    failures: list[NotDone] = []
    try:
        async with letters.reader() as reader, letters.sender() as sender:
            for row_id in asked.ids:
                row = await views.letter(row_id)
                try:
                    number = await redrive(row, asked.value, reader, sender)
                except NotRedrivenError as error:
                    failures.append(NotDone(id=row_id, detail=str(error)))
                    continue
                if number is not None:
                    await views.mark_redriven(row_id, number)
    except DeadLettersUnavailableError as error:
        raise _kafka_unavailable() from error
    return _done(asked.ids, failures)


@router.post("/drop", responses=_UNAVAILABLE)
async def drop_dead_letters(asked: Drop, views: Views) -> Done:
    """Mark dead letters as dropped: they are not listed as open any more. Nothing is deleted."""
    dropped = await views.drop(asked.ids)
    missing = [one for one in asked.ids if one not in dropped]
    failures = [NotDone(id=one, detail="there is no such dead letter") for one in missing]
    return _done(asked.ids, failures)


def _done(ids: Iterable[int], failures: list[NotDone]) -> Done:
    failed = {failure.id for failure in failures}
    return Done(done=[one for one in ids if one not in failed], failures=failures)


def _kafka_unavailable() -> Problem:
    return Problem(
        503,
        "Kafka unavailable",
        "Kafka cannot be asked now; try again in a moment, what was done already is not done twice",
        headers={"Retry-After": "2"},
    )
