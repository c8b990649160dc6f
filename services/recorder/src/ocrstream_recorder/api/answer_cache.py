"""Answers that the API repeats for as long as the database is in the state that they show.

A statement sees its snapshot and nothing else, so an equal snapshot gives an equal answer, whoever
writes meanwhile. The cache asks the database for its snapshot each time, which reads no table, so
an answer is never outdated.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from cachetools import TTLCache
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import literal_column, select

from ocrstream_recorder import serving_metrics
from ocrstream_recorder.api.queries import QuerySource, SqlQuery

_STATE = """(
    CASE WHEN pg_is_in_recovery() THEN ''
         ELSE pg_postmaster_start_time() || ' ' || pg_current_snapshot() END
)"""
DATABASE_STATE = select(literal_column(_STATE).label("state")).scalar_subquery().label("state")
"""A column that names the state which its statement sees.

It holds the server's start because another server may have taken over without the last commits. It
is empty on a standby, whose snapshots do not tell one commit from the next; and the position that a
standby has applied is read after the snapshot was taken.
"""
_STATE_QUERY = SqlQuery(f"SELECT {_STATE} AS state".encode())

# The clock changes throughput and ETA, not the database alone.
_TTL_S = 5.0
_MAX_BYTES = 16 << 20
_MAX_ANSWER_BYTES = 256 << 10

Handler = Callable[[Request], Awaitable[Response]]
_Key = tuple[str, bytes]


class _CachedAnswer(NamedTuple):
    state: str
    body: bytes


def _bytes_of(answer: _CachedAnswer) -> int:
    return len(answer.body)


class AnswerCache:
    """The latest answers of this process."""

    def __init__(self, source: QuerySource) -> None:
        """`source` is the database that the answers come from."""
        self._source = source
        self._answers = TTLCache[_Key, _CachedAnswer, float](
            _MAX_BYTES, _TTL_S, getsizeof=_bytes_of
        )
        self._state = ""

    async def answer(self, request: Request, handler: Handler) -> Response:
        """The cached answer if the database is still in its state, else the handler's.

        The handler leaves in `request.state.database_state` the state that its first statement saw;
        later statements see that state or a later one. The cache does not keep an answer whose
        state is empty or missing.
        """
        key = request.scope["path"], request.scope["query_string"]
        body = await self._cached_body(key)
        if body is not None:
            serving_metrics.CACHE_HITS.inc()
            return Response(body, media_type="application/json")
        response = await handler(request)
        state: str = getattr(request.state, "database_state", "")
        if state and response.status_code == 200 and len(response.body) <= _MAX_ANSWER_BYTES:
            self._state = state
            self._answers[key] = _CachedAnswer(state, bytes(response.body))
        return response

    async def _cached_body(self, key: _Key) -> bytes | None:
        cached = self._answers.get(key)
        # The cache has seen a later state already, so this answer is outdated for certain.
        if cached is None or cached.state != self._state:
            return None
        ((self._state,),) = await self._source.rows(_STATE_QUERY)
        return cached.body if cached.state == self._state else None


class CachedRoute(APIRoute):
    """A route whose answers the application's `answer_cache` keeps."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            cache: AnswerCache = request.app.state.answer_cache
            return await cache.answer(request, handler)

        return handle
