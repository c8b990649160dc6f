"""Dead letters as the API shows them, and what it is asked to do with them."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ocrstream_recorder.api.cursors import MAX_ROW_ID
from ocrstream_recorder.api.models import with_example
from ocrstream_recorder.database.tables import DeadLetter
from ocrstream_recorder.rules.rejection import RejectionReason

DeadLetterState = Literal["open", "redriven", "dropped"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What PostgreSQL and Python can both tell as a time; producers may claim any.
_LAST_MS = 253_402_300_799_999
_MAX_IDS = 100


class Bytes(BaseModel):
    """Bytes: as text if they are UTF-8, else in base64."""

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, content: bytes | None) -> Self | None:
        """The bytes; None is none."""
        if content is None:
            return None
        try:
            return cls(text=content.decode())
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(content).decode())


_LETTER: dict[str, Any] = {
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
    """A record that could not be applied."""

    model_config = with_example(**_LETTER)

    id: int
    state: DeadLetterState
    """`open`; `redriven`: sent again and not failed since; `dropped`: nobody wants it."""
    topic: str
    """Where it was first, with `partition` and `offset`."""
    partition: int
    offset: int
    timestamp: datetime
    reason: RejectionReason
    error: str
    chain_id: str | None
    """The chain that it fails, if that can be read."""
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
    """A dead letter with what the record holds."""

    model_config = with_example(
        **_LETTER,
        gone=False,
        key={"text": "b-1", "base64": None},
        value={"text": '{"image_path": "file:///data/a.png", "index": -1}', "base64": None},
        headers=[{"name": "content-type", "value": {"text": "application/json", "base64": None}}],
    )

    gone: bool
    """Whether Kafka has deleted it; then key, value and headers are not known any more."""
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
    """Dead letters that nobody wants; they stay in Kafka for as long as it keeps them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": [7, 8]}]})

    ids: Ids


class Redrive(BaseModel):
    """Dead letters to be sent to their topics again, one of them with a corrected value."""

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
    """A dead letter that it was not done to, and why."""

    id: int
    detail: str


class Done(BaseModel):
    """What was done: to which dead letters, and to which not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"done": [7], "failures": [{"id": 8, "detail": "there is no such dead letter"}]}
            ]
        }
    )

    done: list[int]
    failures: list[NotDone]
