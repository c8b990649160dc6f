"""Reprocessings: `/v1/reprocessings`, requests to read images with results again.

They use sessions of the ORM instead of `queries.py`: a request reads back the row that it has just
written, at the database that it wrote to, and the paths that only read share that code.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from sqlalchemy import and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ocrstream_recorder.api.databases import open_session
from ocrstream_recorder.api.http import Key, Responses, not_found
from ocrstream_recorder.database.tables import (
    BatchExecution,
    BatchReprocessing,
    ChainExecution,
    KeptResultVersion,
)
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.reprocessing import requests
from ocrstream_recorder.reprocessing.requests import Statement
from ocrstream_recorder.reprocessing.rules import FIELDS, MAX_LENGTH, parse_condition
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.batch_options import LANE, lane_of
from ocrstream_schemas.errors import InvalidOptionError

router = APIRouter(prefix="/v1", tags=["reprocessings"])

NO_BATCH: Responses = {404: {"description": "The batch does not exist, or is not recorded yet"}}
_NO_REPROCESSING: Responses = {404: {"description": "The reprocessing does not exist"}}
_USED: Responses = {409: {"description": "The request_id was used for another reprocessing"}}


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL")
    return text


def _condition(text: str) -> str:
    parse_condition(_no_nul(text))
    return text


def _lane(name: str) -> str:
    try:
        lane_of({LANE: name})
    except InvalidOptionError as error:
        raise ValueError(str(error)) from error
    return name


Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_no_nul)
]
_EXAMPLE: dict[str, JsonValue] = {"batch_id": "3f0c", "where": "confidence < 0.8 and lane != gpu"}


class Selection(BaseModel):
    """Images of a batch or, with `all`, all images; with `where`, only those that meet it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    batch_id: Identifier | None = None
    all: Literal[True] | None = None
    where: Annotated[
        str | None,
        Field(
            max_length=MAX_LENGTH,
            description=f"Comparisons of {', '.join(FIELDS[:-1])} or {FIELDS[-1]}, joined with and,"
            " or, ( and )",
        ),
        AfterValidator(lambda text: text if text is None else _condition(text)),
    ] = None

    @model_validator(mode="after")
    def _one_or_all(self) -> Self:
        if (self.batch_id is None) == (self.all is None):
            raise ValueError("give either batch_id, or all: true")
        return self


class ReprocessRequest(Selection):
    """Images to reprocess, once for each `request_id`; without one, the request is new.

    Without a `lane`, each image goes to the lane of its previous result.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**_EXAMPLE, "lane": "gpu"}]}
    )

    request_id: Identifier = Field(default_factory=lambda: str(uuid4()))
    lane: Annotated[
        str | None, AfterValidator(lambda name: name if name is None else _lane(name))
    ] = None


class SelectionCount(BaseModel):
    """How many images a reprocessing would send now, and how many boxes they have."""

    images: int
    boxes: int


class Reprocessing(BaseModel):
    """A reprocessing and its progress."""

    request_id: str
    batch_id: str | None
    """Null for a reprocessing of all images."""
    where: str | None
    lane: str | None
    state: Literal["sending", "sent"]
    """`sent`: all its images are on their way to workers, or done."""
    requested_at: datetime
    images: int
    """Images sent so far; the recorder keeps their previous results, with `boxes` boxes."""
    boxes: int
    read_images: int
    """Images among them that succeeded; `failed_images` failed or were revoked."""
    failed_images: int


class ReprocessingRows:
    """Reads rows, and writes requests through `writing_engine`; each call has its own session."""

    def __init__(
        self, engine: AsyncEngine, writing_engine: AsyncEngine, zone: DatabaseZone
    ) -> None:
        self._engine = engine
        self._writing_engine = writing_engine
        self._zone = zone

    async def check_batch(self, batch_id: str | None) -> None:
        """Raises ProblemError (404) if the batch does not exist; None stands for all batches."""
        if batch_id is None:
            return
        async with open_session(self._engine) as session:
            known = exists().where(BatchExecution.batch_id == batch_id)
            if not await session.scalar(select(known)):
                raise not_found("batch", batch_id)

    async def count(self, selection: Selection) -> SelectionCount:
        """What a reprocessing of the selection would send now."""
        condition = None if selection.where is None else parse_condition(selection.where)
        now = datetime.now(UTC)
        statement = requests.count_statement(selection.batch_id, condition, now, self._zone)
        async with open_session(self._engine) as session:
            images, boxes = (await _execute(session, statement)).one()
        return SelectionCount(images=images, boxes=boxes)

    async def request(self, request: ReprocessRequest) -> Reprocessing:
        """Write the request, unless its id was used before; returns the reprocessing of the id."""
        statement = requests.request_statement(
            request.request_id, request.batch_id, request.where, request.lane
        )
        async with open_session(self._writing_engine) as session:
            await _execute(session, statement)
            await session.commit()
            row = await session.get_one(BatchReprocessing, request.request_id)
            return await self._reprocessing(session, row)

    async def reprocessing(self, request_id: str) -> Reprocessing | None:
        """A reprocessing and its progress; None if it does not exist."""
        async with open_session(self._engine) as session:
            row = await session.get(BatchReprocessing, request_id)
            return None if row is None else await self._reprocessing(session, row)

    async def _reprocessing(self, session: AsyncSession, row: BatchReprocessing) -> Reprocessing:
        outcomes = select(
            func.count().filter(ChainExecution.status == ProcessStatus.SUCCESS),
            func.count().filter(
                ChainExecution.status.in_([ProcessStatus.FAILURE, ProcessStatus.REVOKED])
            ),
        ).select_from(KeptResultVersion)
        outcomes = outcomes.join(
            ChainExecution,
            and_(
                ChainExecution.chain_id == KeptResultVersion.next_chain_id,
                ChainExecution.run >= KeptResultVersion.next_run,
            ),
        ).where(KeptResultVersion.request_id == row.request_id)
        succeeded, failed = (await session.execute(outcomes)).one()
        return Reprocessing(
            request_id=row.request_id,
            batch_id=row.batch_id,
            where=row.condition,
            lane=row.lane,
            state="sending" if row.pending else "sent",
            requested_at=row.requested_at,
            images=row.images,
            boxes=row.boxes,
            read_images=succeeded,
            failed_images=failed,
        )


def _rows(request: Request) -> ReprocessingRows:
    state = request.app.state
    return ReprocessingRows(state.database.engine, state.writing_engine, state.zone)


Rows = Annotated[ReprocessingRows, Depends(_rows)]


@router.post("/reprocessings", status_code=202, responses=NO_BATCH | _USED)
async def request_reprocessing(request: ReprocessRequest, rows: Rows) -> Reprocessing:
    """Read images with results again, and keep each previous result beside the new one.

    An image that a worker is reading already is left out. Repeating the request with the same
    `request_id` gives the same answer and does nothing more.
    """
    await rows.check_batch(request.batch_id)
    stored = await rows.request(request)
    if (stored.batch_id, stored.where, stored.lane) != (
        request.batch_id,
        request.where,
        request.lane,
    ):
        raise ProblemError(
            409,
            "Another reprocessing",
            f"The request_id {request.request_id!r} was used for another reprocessing: use a new"
            " one",
        )
    return stored


@router.post("/reprocessings/count", responses=NO_BATCH)
async def count_reprocessing(selection: Selection, rows: Rows) -> SelectionCount:
    """How many images a reprocessing would send now. Nothing is sent."""
    await rows.check_batch(selection.batch_id)
    return await rows.count(selection)


@router.get("/reprocessings/{request_id:segment}", responses=_NO_REPROCESSING)
async def read_reprocessing(request_id: Key, rows: Rows) -> Reprocessing:
    """A reprocessing and its progress."""
    reprocessing = await rows.reprocessing(request_id)
    if reprocessing is None:
        raise not_found("reprocessing", request_id)
    return reprocessing


async def _execute(session: AsyncSession, statement: Statement) -> Any:
    connection = await session.connection()
    return await connection.exec_driver_sql(*statement)
