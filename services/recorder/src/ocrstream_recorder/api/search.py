"""The path of the search."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ocrstream_recorder.api.cursors import decode_cursor, encode_cursor
from ocrstream_recorder.api.direct_reads import DirectReads
from ocrstream_recorder.api.image_models import TextBox
from ocrstream_recorder.api.models import Page
from ocrstream_recorder.api.stored_json import decode_stored, of_kind
from ocrstream_recorder.search import queries
from ocrstream_recorder.search.index import IndexBacklog
from ocrstream_recorder.search.queries import Candidate, Found
from ocrstream_recorder.search.rules import (
    SearchMode,
    gram_of_batch,
    grams_of_query,
    matching_boxes,
    normalize,
)
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["read"])

_EXAMINED_FIRST = 20
_MOST_EXAMINED = 1_000
_MOST_LOOKS = 10
_LAG_HOLDS_S = 1.0
_FIRST = 2**63 - 1  # greater than any id that a search has not passed

_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "`q` has nothing to look for, or a bad cursor"},
    503: {"description": "It took too long, or the database is away"},
}


class _Position(msgspec.Struct):
    """Where the next page begins: at the first id less than `before`."""

    before: Annotated[int, msgspec.Meta(ge=0, le=_FIRST)] = _FIRST


@dataclass(slots=True)
class SearchHit:
    """An image whose newest result has the text, and the boxes that it was found in."""

    image_path: str
    public_path: str | None
    chain_id: str | None
    batch_id: str | None
    index: int | None
    source_name: str | None
    """What the user called the file."""
    page: int | None
    """Which page of it this image is, if it is a document."""
    text_boxes: Annotated[list[TextBox], Field(min_length=1)]
    """In reading order; of a match that goes over several boxes, all of them."""


class IndexLag(BaseModel):
    """How far the index is behind what is recorded; if it is, that is up to a second old."""

    waiting_images: Annotated[int, Field(ge=0, le=10_000)]
    """Images, 10,000 at most, that are not found yet by what they say now."""
    oldest_waiting_s: Annotated[float, Field(ge=0)]
    """For how long the first of them waits."""


class SearchPage(Page[SearchHit]):
    """Images that match, the newest first.

    A page may be short, or empty, and others follow: `next_cursor` alone tells.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "image_path": "s3://scans/receipts.pdf/2.png",
                            "public_path": None,
                            "chain_id": "b-1",
                            "batch_id": "b",
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
                    "next_cursor": None,
                    "index": {"waiting_images": 0, "oldest_waiting_s": 0.0},
                }
            ]
        }
    )

    index: IndexLag


class Searches:
    """Asks the database for what a search needs."""

    def __init__(self, reads: DirectReads) -> None:
        self._reads = reads
        self._lag = IndexBacklog(0, 0.0)
        self._asked_at = 0.0

    async def lag(self) -> IndexBacklog:
        """How far the index is behind. If it is, that is up to a second old: counting what waits
        costs as much as a search. That nothing waits is never told of another moment.
        """
        asked_at = time.monotonic()
        if not self._lag.waiting or asked_at - self._asked_at > _LAG_HOLDS_S:
            ((waiting, oldest_s),) = await self._reads.rows(queries.LAG, {})
            self._lag, self._asked_at = IndexBacklog(waiting, oldest_s), asked_at
        return self._lag

    async def candidates(self, grams: set[int], before: int, limit: int) -> Found:
        """Images with all these grams and ids less than `before`, `limit` at most."""
        wanted = {"grams": list(grams), "before": before}
        return Found.of(await self._reads.rows(queries.candidates(limit), wanted))


async def _searches(request: Request) -> Searches:
    return request.app.state.searches


@router.get("/search", responses=_RESPONSES)
async def search_text(
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="The text to look for, in any language; no character is special. Case,"
            " width and runs of white space make no difference",
            examples=["total", "합계", "發票"],
        ),
    ],
    searches: Annotated[Searches, Depends(_searches)],
    *,
    mode: Annotated[
        SearchMode,
        Query(
            description="`word`: only where it begins and ends with a word; scripts without spaces"
            " between words have none"
        ),
    ] = SearchMode.SUBSTRING,
    batch_id: Annotated[
        str | None, Query(max_length=255, description="Only images of this batch")
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, description="Only matches whose boxes all have it")
    ] = 0.0,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the answer before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="The most images to answer")] = 20,
) -> SearchPage:
    """Images whose newest result has the text, the newest image first, with the boxes it is in.

    A text with spaces is found also where it goes over several boxes.
    """
    query = normalize(q)
    if not query:
        raise Problem(400, "Nothing to look for", "q: give a text of one character or more")
    before = (decode_cursor(cursor, _Position) if cursor else _Position()).before
    grams = grams_of_query(query)
    if batch_id is not None:
        grams.add(gram_of_batch(batch_id))
    lag = await searches.lag()
    hits: list[SearchHit] = []
    examined = looks = 0
    while before > 0 and len(hits) < limit and examined < _MOST_EXAMINED and looks < _MOST_LOOKS:
        # The fewer of them match, the more at once.
        wanted = max(limit - len(hits), _EXAMINED_FIRST, 2 * examined)
        wanted = min(wanted, _MOST_EXAMINED - examined)
        found = await searches.candidates(grams, before, wanted)
        looks += 1
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
    told: dict[str, Any] = image.input_data if isinstance(image.input_data, dict) else {}
    return SearchHit(
        image_path=image.image_path,
        public_path=image.public_path,
        chain_id=image.chain_id,
        batch_id=image.batch_id,
        index=image.image_index,
        source_name=of_kind(told.get("source_name"), str),
        page=of_kind(told.get("page"), int),
        text_boxes=[
            TextBox(
                text=image.texts[number],
                confidence=image.confidences[number],
                bbox=decode_stored(image.bboxes[number]),
            )
            for number in matching
        ],
    )
