"""When a search asks how far the index is behind."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from ocrstream_recorder.api import search
from ocrstream_recorder.api.direct_reads import DirectReads
from ocrstream_recorder.api.search import Searches
from ocrstream_recorder.search import queries as store_search
from ocrstream_recorder.search.index import IndexBacklog


class Reads:
    """Tells how many images wait, and notes how often that was asked."""

    waiting = 0
    asked = 0

    async def rows(self, statement: bytes, parameters: dict[str, Any]) -> Sequence[Any]:
        assert (statement, parameters) == (store_search.LAG, {})
        self.asked += 1
        return [(self.waiting, 1.5)]


class Clock:
    """Stands for the module `time`."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


async def test_what_waits_is_counted_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reads = Clock(), Reads()
    monkeypatch.setattr(search, "time", clock)
    searches = Searches(cast("DirectReads", reads))
    for asked in (1, 2):
        assert await searches.lag() == IndexBacklog(0, 1.5)
        assert reads.asked == asked
    reads.waiting = 7
    for clock.now_s in (100.0, 100.5, 101.0):
        assert await searches.lag() == IndexBacklog(7, 1.5)
    assert reads.asked == 3
    clock.now_s, reads.waiting = 101.1, 0
    assert await searches.lag() == IndexBacklog(0, 1.5)
