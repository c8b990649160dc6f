"""Answers that are given again for as long as the database's state is the one they were made of.

A statement sees what its snapshot shows and nothing else, so the same snapshot means the same
answer, whoever writes meanwhile. Which one is in force is asked each time: that reads no table, and
what is outdated is never told.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from cachetools import TTLCache
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import literal_column, select

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.api.direct_reads import DirectReads

_STATE = """(
    CASE WHEN pg_is_in_recovery() THEN ''
         ELSE pg_postmaster_start_time() || ' ' || pg_current_snapshot() END
)"""
DATABASE_STATE = select(literal_column(_STATE).label("state")).scalar_subquery().label("state")
"""A column that names the state which its statement sees.

It has the server's start in it because another server may have taken over without the last commits.
A standby names none: its snapshots do not tell one commit from the next, and the position that it
has applied is read after the snapshot was taken.
"""
_ASK_STATE = f"SELECT {_STATE} AS state".encode()

# Pace and ETA are told by the clock, not by the database alone.
_KEPT_S = 5.0
_MOST_BYTES = 16 << 20
_MOST_BYTES_OF_ONE = 256 << 10

Handler = Callable[[Request], Awaitable[Response]]
_Key = tuple[str, bytes]


class _Kept(NamedTuple):
    state: str
    body: bytes


def _bytes_of(kept: _Kept) -> int:
    return len(kept.body)


class AnswerCache:
    """The answers of a process that were asked for last."""

    def __init__(self, reads: DirectReads) -> None:
        """`reads` goes to the database that the answers are made of."""
        self._reads = reads
        self._kept = TTLCache[_Key, _Kept, float](_MOST_BYTES, _KEPT_S, getsizeof=_bytes_of)
        self._state = ""

    async def answer(self, request: Request, make: Handler) -> Response:
        """The answer that is kept, if it still holds, else the one that `make` makes.

        Whoever makes it leaves in `request.state.database_state` the state that its first
        statement saw: later ones see that or a later one. It is empty where that told none, and
        then the answer is not kept.
        """
        key = request.scope["path"], request.scope["query_string"]
        body = await self._body(key)
        if body is not None:
            serving_metrics.CACHE_HITS.inc()
            return Response(body, media_type="application/json")
        response = await make(request)
        state: str = request.state.database_state
        if state and response.status_code == 200 and len(response.body) <= _MOST_BYTES_OF_ONE:
            self._state = state
            self._kept[key] = _Kept(state, bytes(response.body))
        return response

    async def _body(self, key: _Key) -> bytes | None:
        kept = self._kept.get(key)
        # Once another state was seen, asking again would be in vain.
        if kept is None or kept.state != self._state:
            return None
        ((self._state,),) = await self._reads.rows(_ASK_STATE, {})
        return kept.body if kept.state == self._state else None


class CachedRoute(APIRoute):
    """A route whose answers are kept in the application's `answers`."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        make = super().get_route_handler()

        async def handle(request: Request) -> Response:
            answers: AnswerCache = request.app.state.answers
            return await answers.answer(request, make)

        return handle
