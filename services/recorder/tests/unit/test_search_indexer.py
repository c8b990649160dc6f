"""How much of the time the search's indexer takes, by how much of it polls are written in."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import IdleInTransactionError
from ocrstream_recorder.search import indexer
from ocrstream_recorder.search.index import IndexBacklog, QueuedImage
from ocrstream_recorder.search.indexer import Piece, SearchIndexer
from ocrstream_runtime import background_loop

PIECE_S = 0.1
FOR_S = 300.0


class Scene:
    """Stands for the database, the module `time` and all waiting; there is always work."""

    def __init__(
        self, is_recording: Callable[[float], bool], at_most: Callable[[float], int]
    ) -> None:
        self.now_s = 0.0
        self._at_most = at_most
        self.pieces: list[int] = []
        self.stop = asyncio.Event()
        self._is_recording = is_recording

    def monotonic(self) -> float:
        return self.now_s

    async def run(self, work: Any) -> Any:
        if isinstance(work, partial):
            (argument,) = work.args
            if work.func.__name__ == "_read":
                self.pieces.append(argument)
                return [QueuedImage(number, [number], "1", [], None) for number in range(argument)]
            self._pass(PIECE_S)
            if len(argument) > self._at_most(self.now_s):
                raise IdleInTransactionError("25P03")
            return Piece(len(argument), PIECE_S)
        is_look = work.__name__ == "_is_recording"
        return self._is_recording(self.now_s) if is_look else IndexBacklog(0, 0.0)

    async def wait_for_event(self, stop: asyncio.Event, seconds: float) -> bool:
        self._pass(seconds)
        return stop.is_set()

    async def pause(self, seconds: float, *_: asyncio.Event) -> None:
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s >= FOR_S:
            self.stop.set()


async def index(
    is_recording: Callable[[float], bool],
    monkeypatch: pytest.MonkeyPatch,
    at_most: Callable[[float], int] = lambda _: 1_000,
) -> Scene:
    scene = Scene(is_recording, at_most)
    monkeypatch.setattr(indexer, "time", scene)
    monkeypatch.setattr(indexer, "wait_for_event", scene.wait_for_event)
    monkeypatch.setattr(background_loop, "_pause", scene.pause)
    monkeypatch.setattr(indexer, "_compute", list[QueuedImage])
    await SearchIndexer(cast("Database", scene), "recorder", 30.0).run(scene.stop)
    return scene


@pytest.mark.parametrize(
    ("recording_s_of_2", "least", "most"),
    [(0.0, 1.0, 1.0), (0.2, 0.5, 0.81), (1.0, 0.1, 0.25), (1.6, 0.035, 0.06), (2.0, 0.035, 0.045)],
)
async def test_the_more_is_recorded_the_less_is_its_own(
    monkeypatch: pytest.MonkeyPatch, recording_s_of_2: float, least: float, most: float
) -> None:
    scene = await index(lambda now_s: now_s % 2 < recording_s_of_2, monkeypatch)
    assert least <= len(scene.pieces) * PIECE_S / FOR_S <= most + 0.001
    if recording_s_of_2:
        assert set(scene.pieces[1:]) == {20}


async def test_at_rest_it_takes_more_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await index(lambda now_s: now_s < FOR_S / 2, monkeypatch)
    assert set(scene.pieces[-100:]) == {200}


async def test_what_fails_is_tried_in_halves_and_grows_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost() -> float:
        labels = {"transaction": "search", "cause": "idle_in_transaction"}
        return REGISTRY.get_sample_value("ocrstream_recorder_sessions_lost_total", labels) or 0

    before = lost()
    scene = await index(lambda _: False, monkeypatch, lambda now_s: 3 if now_s < 100 else 1_000)
    assert scene.pieces[:9] == [20, 10, 5, 2, 4, 2, 4, 2, 4]
    assert lost() == before + 3 + scene.pieces.count(4) - 1
    assert scene.pieces[-1] == 200
