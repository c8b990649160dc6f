"""The images before and after one image of a batch: `/v1/batches/{batch_id}/neighbours`."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel
from sqlalchemy import BigInteger, Select, bindparam, select, tuple_

from ocrstream_recorder.api.batch_images import (
    FAILED_IMAGE,
    IMAGE_CONDITIONS,
    IMAGES_OF_BATCH,
    BatchImage,
    ImageFilters,
    NamePart,
    WarningFilter,
    batch_image,
    images,
)
from ocrstream_recorder.api.http import NOT_FOUND, Key, found, storable, with_example
from ocrstream_recorder.api.paging import encode_cursor
from ocrstream_recorder.api.queries import FilterQuery, GeneralQueries, Queries, SqlQuery
from ocrstream_recorder.database.tables import ChainExecution
from ocrstream_recorder.rules.status import ProcessStatus
from ocrstream_schemas.events import Reason

router = APIRouter(prefix="/v1/batches", tags=["batches"])


class Neighbours(BaseModel):
    """The images of a batch before and after one of them, in the order of its list of images."""

    model_config = with_example(previous=None, next=FAILED_IMAGE)

    previous: BatchImage | None
    next: BatchImage | None


@router.get("/{batch_id:segment}/neighbours", responses=NOT_FOUND)
async def read_neighbours(
    batch_id: Key,
    chain_id: Annotated[
        str,
        Query(min_length=1, max_length=255, description="The chain of the image between them"),
        AfterValidator(storable),
    ],
    queries: GeneralQueries,
    *,
    status: ProcessStatus | None = None,
    reason: Reason | None = None,
    warning: WarningFilter = None,
    name: NamePart = None,
) -> Neighbours:
    """The image before an image and the image after it, among those that the filters choose.

    The image itself need not match them.
    """
    filters = ImageFilters(status, reason, warning, name)
    place = await queries.first(_PLACE, {"batch_id": batch_id, "chain_id": chain_id})
    index, row_id = found(place, "chain", chain_id)
    after = await images(queries, batch_id, filters, cursor=encode_cursor((index, row_id)), limit=1)
    return Neighbours(
        previous=await _before(queries, batch_id, filters, index, row_id),
        next=after.items[0] if after.items else None,
    )


async def _before(
    queries: Queries, batch_id: str, filters: ImageFilters, index: int | None, row_id: int
) -> BatchImage | None:
    parameters = {"batch_id": batch_id, "rows": 1, **filters._asdict()}
    if index is not None:
        steps = [(_INDEXED_BEFORE, {"index": index, "row_id": row_id})]
    else:
        steps = [(_UNINDEXED_BEFORE, {"row_id": row_id}), (_LAST_INDEXED, {})]
    for query, position in steps:
        row = await queries.first(query, {**parameters, **position})
        if row is not None:
            return batch_image(row, row.warnings or [])
    return None


_index, _id = ChainExecution.image_index, ChainExecution.id
_row_id = bindparam("row_id", type_=BigInteger)
_backwards = IMAGES_OF_BATCH.order_by(_index.desc(), _id.desc())


def _filtered(statement: Select[*tuple[object, ...]]) -> FilterQuery:
    return FilterQuery(statement, IMAGE_CONDITIONS, plan_by_value=True)


_LAST_INDEXED = _filtered(_backwards.where(_index.is_not(None)))
_INDEXED_BEFORE = _filtered(
    _backwards.where(
        _index.is_not(None),
        tuple_(_index, _id) < tuple_(bindparam("index", type_=BigInteger), _row_id),
    )
)
_UNINDEXED_BEFORE = _filtered(
    IMAGES_OF_BATCH.where(_index.is_(None), _id < _row_id).order_by(_id.desc())
)
_PLACE = SqlQuery(
    select(_index, _id)
    .where(
        ChainExecution.batch_id == bindparam("batch_id"),
        ChainExecution.chain_id == bindparam("chain_id"),
    )
    .order_by(ChainExecution.run.desc(), _id.desc())
    .limit(1)
)
