"""When a search asks how far the index is behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ocrstream_recorder.api import search
from ocrstream_recorder.api.queries import AnyQuery
from ocrstream_recorder.api.search import SearchQueries
from ocrstream_recorder.search import queries
from ocrstream_recorder.search.index import IndexBacklog


class Source:
    """A database in which some images wait; counts how often it was asked how many."""

    waiting = 0
    asked = 0

    async def rows(
        self, query: AnyQuery, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        assert query.chosen_by({}).sql == queries.LAG
        assert not parameters
        self.asked += 1
        return [(self.waiting, 1.5)]


class Clock:
    """Stands for the module `time`."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


async def test_what_waits_is_counted_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, source = Clock(), Source()
    monkeypatch.setattr(search, "time", clock)
    searches = SearchQueries(source)
    for asked in (1, 2):
        assert await searches.lag() == IndexBacklog(0, 1.5)
        assert source.asked == asked
    source.waiting = 7
    for clock.now_s in (100.0, 100.5, 101.0):
        assert await searches.lag() == IndexBacklog(7, 1.5)
    assert source.asked == 3
    clock.now_s, source.waiting = 101.1, 0
    assert await searches.lag() == IndexBacklog(0, 1.5)
