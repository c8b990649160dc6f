"""Search: `/v1/search`, text in the newest results of images."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from ocrstream_recorder.api.http import Responses, with_example
from ocrstream_recorder.api.images import TextBox
from ocrstream_recorder.api.paging import Page, decode_cursor, encode_cursor
from ocrstream_recorder.api.queries import QuerySource, SqlQuery
from ocrstream_recorder.api.rows import decode_stored, of_kind
from ocrstream_recorder.search import queries as search_queries
from ocrstream_recorder.search.index import IndexBacklog
from ocrstream_recorder.search.normalization import normalize
from ocrstream_recorder.search.queries import Candidate, Found
from ocrstream_recorder.search.rules import (
    SearchMode,
    gram_of_batch,
    grams_of_query,
    matching_boxes,
)
from ocrstream_runtime.errors import ProblemError

router = APIRouter(prefix="/v1", tags=["read"])

_FIRST_CANDIDATES = 20
_MAX_CANDIDATES = 1_000
_MAX_QUERIES = 10
_LAG_TTL_S = 1.0
_FIRST = 2**63 - 1  # greater than the id of any image

_RESPONSES: Responses = {
    400: {"description": "`q` is empty, or this API did not issue the cursor"},
    503: {"description": "The search took too long, or the database is unavailable"},
}


class _Position(msgspec.Struct):
    """Where the next page begins: at the first id less than `before`."""

    before: Annotated[int, msgspec.Meta(ge=0, le=_FIRST)] = _FIRST


@dataclass(slots=True)
class SearchHit:
    """An image whose newest result has the text, and the boxes that hold it."""

    image_path: str
    public_path: str | None
    chain_id: str | None
    batch_id: str | None
    batch_name: str | None
    index: int | None
    source_name: str | None
    """The name of the file that the user submitted."""
    page: int | None
    """The page of that file, if it is a document."""
    text_boxes: Annotated[list[TextBox], Field(min_length=1)]
    """In reading order; of a match across several boxes, all of them."""


class IndexLag(BaseModel):
    """How far the index is behind the recorded results; up to a second old while it is behind."""

    waiting_images: Annotated[int, Field(ge=0, le=10_000)]
    """Images whose newest result the index does not have yet, counted up to 10,000."""
    oldest_waiting_s: Annotated[float, Field(ge=0)]
    """How long the first of them has waited."""


class SearchPage(Page[SearchHit]):
    """Images that match, the newest first.

    A page may be short or empty although others follow: only `next_cursor` tells.
    """

    model_config = with_example(
        items=[
            {
                "image_path": "s3://scans/receipts.pdf/2.png",
                "public_path": None,
                "chain_id": "b-1",
                "batch_id": "b",
                "batch_name": "receipts of May",
                "index": 1,
                "source_name": "receipts.pdf",
                "page": 2,
                "text_boxes": [
                    {
                        "text": "합계 12,000원",
                        "confidence": 0.97,
                        "bbox": [[10, 20], [210, 20], [210, 44], [10, 44]],
                    }
                ],
            }
        ],
        next_cursor=None,
        index={"waiting_images": 0, "oldest_waiting_s": 0.0},
    )

    index: IndexLag


_LAG = SqlQuery(search_queries.LAG)


class SearchQueries:
    """The queries of a search."""

    def __init__(self, source: QuerySource) -> None:
        self._source = source
        self._lag = IndexBacklog(0, 0.0)
        self._measured_at = 0.0

    async def lag(self) -> IndexBacklog:
        """How far the index is behind.

        A lag may be a second old, since counting costs as much as a search. An index that is not
        behind is asked each time.
        """
        now = time.monotonic()
        if not self._lag.waiting or now - self._measured_at > _LAG_TTL_S:
            ((waiting, oldest_s),) = await self._source.rows(_LAG)
            self._lag, self._measured_at = IndexBacklog(waiting, oldest_s), now
        return self._lag

    async def candidates(self, grams: set[int], before: int, limit: int) -> Found:
        """Images with all these grams and ids less than `before`, `limit` at most."""
        query = SqlQuery(search_queries.candidates(limit))
        return Found.of(await self._source.rows(query, {"grams": list(grams), "before": before}))


async def _search_queries(request: Request) -> SearchQueries:
    return request.app.state.search_queries


@router.get("/search", responses=_RESPONSES)
async def search_text(
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="The text to search for, in any language; no character is special. Case,"
            " width, runs of white space, forms of quotation marks and dashes, soft hyphens,"
            " invisible characters, Arabic vowel signs and alef forms make no difference",
            examples=["total", "합계", "發票"],
        ),
    ],
    queries: Annotated[SearchQueries, Depends(_search_queries)],
    *,
    mode: Annotated[
        SearchMode,
        Query(
            description="`word`: only where it begins and ends at word boundaries; scripts without"
            " spaces between words have none"
        ),
    ] = SearchMode.SUBSTRING,
    batch_id: Annotated[
        str | None, Query(max_length=255, description="Only images of this batch")
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, description="Only matches whose boxes all have it, or more")
    ] = 0.0,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the previous answer")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="The greatest number of images to answer")
    ] = 20,
) -> SearchPage:
    """Images whose newest result has the text, the newest image first, with the boxes that hold it.

    A text also matches across several boxes: a phrase, a word that is hyphenated at a line's end,
    Chinese and Japanese that continue in another box.
    """
    query = normalize(q)
    if not query:
        raise ProblemError(400, "Empty search text", "q: needs a character other than white space")
    before = (decode_cursor(cursor, _Position) if cursor else _Position()).before
    grams = grams_of_query(query)
    if batch_id is not None:
        grams.add(gram_of_batch(batch_id))
    lag = await queries.lag()
    hits: list[SearchHit] = []
    examined = sent = 0
    while before > 0 and len(hits) < limit and examined < _MAX_CANDIDATES and sent < _MAX_QUERIES:
        # Each query asks for more candidates than the one before, in case few of them match.
        wanted = max(limit - len(hits), _FIRST_CANDIDATES, 2 * examined)
        wanted = min(wanted, _MAX_CANDIDATES - examined)
        found = await queries.candidates(grams, before, wanted)
        sent += 1
        for candidate in found.candidates:
            if len(hits) == limit:
                break
            examined += 1
            before = candidate.id
            matching = matching_boxes(
                candidate.texts, candidate.confidences, query, mode, min_confidence
            )
            if matching and batch_id in {None, candidate.batch_id}:
                hits.append(_hit(candidate, matching))
        else:
            if len(found.candidates) < wanted:
                before = found.down_to
    return SearchPage(
        items=hits,
        next_cursor=encode_cursor(_Position(before)) if before > 0 else None,
        index=IndexLag(waiting_images=lag.waiting, oldest_waiting_s=max(0.0, lag.oldest_s)),
    )


def _hit(image: Candidate, matching: list[int]) -> SearchHit:
    data: dict[str, Any] = image.input_data if isinstance(image.input_data, dict) else {}
    return SearchHit(
        image_path=image.image_path,
        public_path=image.public_path,
        chain_id=image.chain_id,
        batch_id=image.batch_id,
        batch_name=image.batch_name,
        index=image.image_index,
        source_name=of_kind(data.get("source_name"), str),
        page=of_kind(data.get("page"), int),
        text_boxes=[
            TextBox(
                text=image.texts[number],
                confidence=image.confidences[number],
                bbox=decode_stored(image.bboxes[number]),
            )
            for number in matching
        ],
    )
