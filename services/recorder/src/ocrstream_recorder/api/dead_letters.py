"""Dead letters: `/v1/dead-letters`, their records, and redriving or dropping them.

They are read where they are written: a standby that other paths may read lags behind, and a list
has to show what the client has just dropped or redriven.
"""

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api.databases import open_session
from ocrstream_recorder.api.http import Responses, Text, with_example
from ocrstream_recorder.api.paging import MAX_ROW_ID, Cursor, Limit, Page, decode_number, page_of
from ocrstream_recorder.database.tables import UTC_NOW, DeadLetter
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.dead_letters.redrive import kept_of_row, origin_of_row, redrive
from ocrstream_recorder.errors import (
    DeadLetterDeletedError,
    DeadLettersUnavailableError,
    NotRedrivenError,
)
from ocrstream_recorder.rules.rejection import RejectionReason
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.topics import RECORDED_TOPICS

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_UNAVAILABLE: Responses = {503: {"description": "Kafka or the database is unavailable"}}
_NOT_FOUND: Responses = {404: {"description": "The dead letter does not exist"}}

DeadLetterState = Literal["open", "redriven", "dropped"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The greatest time that PostgreSQL and Python can both represent; producers may claim any.
_LAST_MS = 253_402_300_799_999
_MAX_IDS = 100
_NOW = text(UTC_NOW.text)


class Bytes(BaseModel):
    """Bytes: as text if they are UTF-8, else in base64."""

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, content: bytes | None) -> Self | None:
        """The bytes; None for none."""
        if content is None:
            return None
        try:
            return cls(text=content.decode())
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(content).decode())


_DEAD_LETTER: dict[str, Any] = {
    "id": 7,
    "state": "open",
    "topic": "images.submitted",
    "partition": 3,
    "offset": 41,
    "timestamp": "2026-05-01T12:00:00Z",
    "reason": "invalid",
    "error": "Expected `int` >= 0 - at `$.index`",
    "chain_id": "b-1",
    "batch_id": "b",
    "redrives": 0,
    "created_at": "2026-05-01T12:00:01Z",
    "updated_at": "2026-05-01T12:00:01Z",
}


class DeadLetterItem(BaseModel):
    """A record that the recorder could not apply."""

    model_config = with_example(**_DEAD_LETTER)

    id: int
    state: DeadLetterState
    """`open`; `redriven`: sent again and not failed since; `dropped`: marked as not needed."""
    topic: str
    """The topic of the original record, with `partition` and `offset`."""
    partition: int
    offset: int
    timestamp: datetime
    reason: RejectionReason
    error: str
    chain_id: str | None
    """The chain that it fails, if the record names one."""
    batch_id: str | None
    redrives: int
    """How often it was redriven."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: DeadLetter, **more: Any) -> Self:
        """The row's item."""
        timestamp_ms = min(max(row.origin_timestamp_ms, 0), _LAST_MS)
        same = ("id", "state", "topic", "partition", "reason", "error", "chain_id", "batch_id")
        return cls(
            **{name: getattr(row, name) for name in same},
            offset=row.origin_offset,
            timestamp=_EPOCH + timedelta(milliseconds=timestamp_ms),
            redrives=row.redrives,
            created_at=row.created_at.replace(tzinfo=UTC),
            updated_at=row.updated_at.replace(tzinfo=UTC),
            **more,
        )


class Header(BaseModel):
    """A record's header."""

    name: str
    value: Bytes | None


class DeadLetterDetail(DeadLetterItem):
    """A dead letter with its record's key, value and headers."""

    model_config = with_example(
        **_DEAD_LETTER,
        gone=False,
        key={"text": "b-1", "base64": None},
        value={"text": '{"image_path": "file:///data/a.png", "index": -1}', "base64": None},
        headers=[{"name": "content-type", "value": {"text": "application/json", "base64": None}}],
    )

    gone: bool
    """Whether Kafka has deleted it; key, value and headers are then lost."""
    key: Bytes | None = None
    value: Bytes | None = None
    headers: list[Header] = []

    @classmethod
    def headers_of(cls, headers: Sequence[tuple[str, bytes | None]]) -> list[Header]:
        """A record's headers."""
        return [Header(name=name, value=Bytes.of(value)) for name, value in headers]


Ids = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_ROW_ID)]], Field(min_length=1, max_length=_MAX_IDS)
]


class Drop(BaseModel):
    """Dead letters to mark as not needed; Kafka keeps them for the retention of their topic."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": [7, 8]}]})

    ids: Ids


class Redrive(BaseModel):
    """Dead letters to send to their topics again; a single one may get a corrected value."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"ids": [7, 8]},
                {"ids": [7], "value": {"image_path": "file:///data/a.png", "batch_id": "b"}},
            ]
        },
    )

    ids: Ids
    value: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _corrects_one(self) -> Self:
        if self.value is not None and len(self.ids) > 1:
            raise ValueError("a corrected value is for one dead letter: give one id")
        return self


class NotDone(BaseModel):
    """A dead letter that the request failed for, and why."""

    id: int
    detail: str


class Done(BaseModel):
    """The dead letters that the request succeeded for, and those that it failed for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"done": [7], "failures": [{"id": 8, "detail": "there is no such dead letter"}]}
            ]
        }
    )

    done: list[int]
    failures: list[NotDone]


class DeadLetterRows:
    """Reads and marks rows, each call in a session of its own: what comes between may take long."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def letter(self, letter_id: int, /) -> DeadLetter | None:
        """One dead letter."""
        async with open_session(self._engine) as session:
            return await session.get(DeadLetter, letter_id)

    async def page(
        self,
        *,
        topic: str | None,
        reason: RejectionReason | None,
        state: DeadLetterState | None,
        batch_id: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[DeadLetterItem]:
        """Dead letters, the newest first."""
        query = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit + 1)
        for column, value in (
            (DeadLetter.topic, topic),
            (DeadLetter.reason, reason),
            (DeadLetter.state, state),
            (DeadLetter.batch_id, batch_id),
        ):
            if value is not None:
                query = query.where(column == value)
        before_id = decode_number(cursor)
        if before_id is not None:
            query = query.where(DeadLetter.id < before_id)
        async with open_session(self._engine) as session:
            rows = (await session.scalars(query)).all()
        return page_of(rows, limit, lambda row: row.id, DeadLetterItem.of)

    async def mark_redriven(self, letter_id: int, redrive: int, /) -> None:
        """Note that the redrive of this number was sent."""
        async with open_session(self._engine) as session:
            await session.execute(
                update(DeadLetter)
                .where(DeadLetter.id == letter_id)
                .values(
                    redrives=func.greatest(DeadLetter.redrives, redrive),
                    dropped=False,
                    updated_at=_NOW,
                )
            )
            await session.commit()

    async def drop(self, ids: Sequence[int]) -> set[int]:
        """Mark dead letters as dropped; returns those that exist."""
        async with open_session(self._engine) as session:
            found = await session.scalars(
                update(DeadLetter)
                .where(DeadLetter.id.in_(ids))
                .values(dropped=True, updated_at=_NOW)
                .returning(DeadLetter.id)
            )
            dropped = set(found)
            await session.commit()
        return dropped


def _recorded(topic: str) -> str:
    if topic not in RECORDED_TOPICS:
        raise ValueError(f"is none of {', '.join(RECORDED_TOPICS)}")
    return topic


RecordedTopic = Annotated[
    str,
    AfterValidator(_recorded),
    WithJsonSchema({"type": "string", "enum": list(RECORDED_TOPICS)}),
]


def _rows(request: Request) -> DeadLetterRows:
    return DeadLetterRows(request.app.state.writing_engine)


def _records(request: Request) -> DeadLetterRecords:
    return request.app.state.dead_letter_records


Rows = Annotated[DeadLetterRows, Depends(_rows)]
Records = Annotated[DeadLetterRecords, Depends(_records)]


@router.get("", responses=_UNAVAILABLE)
async def list_dead_letters(
    rows: Rows,
    *,
    topic: RecordedTopic | None = None,
    reason: RejectionReason | None = None,
    state: DeadLetterState | None = None,
    batch_id: Text = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeadLetterItem]:
    """Dead letters, the newest first; each once, however often it was written."""
    return await rows.page(
        topic=topic, reason=reason, state=state, batch_id=batch_id, cursor=cursor, limit=limit
    )


@router.get("/{letter_id}", responses=_UNAVAILABLE | _NOT_FOUND)
async def read_dead_letter(
    letter_id: Annotated[int, Path(ge=1, le=MAX_ROW_ID)], rows: Rows, records: Records
) -> DeadLetterDetail:
    """A dead letter with its record's key, value and headers."""
    row = await rows.letter(letter_id)
    if row is None:
        raise ProblemError(404, "No such dead letter", f"Dead letter {letter_id} does not exist")
    try:
        async with records.reader() as reader:
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
async def redrive_dead_letters(request: Redrive, rows: Rows, records: Records) -> Done:
    """Send dead letters to their topics again, with their origin headers.

    Repeating the request is safe: a dead letter that was redriven and has not failed since is not
    sent again.
    """
    failures: list[NotDone] = []
    try:
        async with records.reader() as reader, records.sender() as sender:
            for letter_id in request.ids:
                row = await rows.letter(letter_id)
                try:
                    number = await redrive(row, request.value, reader, sender)
                except NotRedrivenError as error:
                    failures.append(NotDone(id=letter_id, detail=str(error)))
                    continue
                if number is not None:
                    await rows.mark_redriven(letter_id, number)
    except DeadLettersUnavailableError as error:
        raise _kafka_unavailable() from error
    return _done(request.ids, failures)


@router.post("/drop", responses=_UNAVAILABLE)
async def drop_dead_letters(request: Drop, rows: Rows) -> Done:
    """Mark dead letters as dropped, so that they are no longer open. Nothing is deleted."""
    dropped = await rows.drop(request.ids)
    missing = [letter_id for letter_id in request.ids if letter_id not in dropped]
    failures = [NotDone(id=one, detail="there is no such dead letter") for one in missing]
    return _done(request.ids, failures)


def _done(ids: Iterable[int], failures: list[NotDone]) -> Done:
    failed = {failure.id for failure in failures}
    return Done(
        done=[letter_id for letter_id in ids if letter_id not in failed],
        failures=failures,
    )


def _kafka_unavailable() -> ProblemError:
    return ProblemError(
        503,
        "Kafka unavailable",
        "Kafka is unavailable; try again in a moment. Repeating the request is safe",
        headers={"Retry-After": "2"},
    )
