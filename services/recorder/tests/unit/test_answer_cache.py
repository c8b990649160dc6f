"""When an answer is given again, and when it is made anew."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import Request, Response

from ocrstream_recorder.api import answer_cache
from ocrstream_recorder.api.answer_cache import AnswerCache


class Scene:
    """A database whose state is told, a cache before it, and what was asked of the database."""

    def __init__(self) -> None:
        self.cache = AnswerCache(self)
        self.state = "1"
        self.status = 200
        self.length = 10
        self.states_asked = 0
        self.made = 0

    async def rows(self, *_: object, **__: object) -> Sequence[Any]:
        self.states_asked += 1
        return [(self.state,)]

    async def get(self, path: str, query: bytes = b"") -> bytes:
        request = Request({"type": "http", "path": path, "query_string": query})
        return bytes((await self.cache.answer(request, self._make)).body)

    async def _make(self, request: Request) -> Response:
        self.made += 1
        request.state.database_state = self.state
        return Response(str(self.made).zfill(self.length), self.status)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_an_answer_is_given_again_in_the_same_state_only(scene: Scene) -> None:
    first = await scene.get("/a")
    assert await scene.get("/a") == first
    scene.state = "2"
    second = await scene.get("/a")
    assert second != first
    assert await scene.get("/a") == second
    assert (scene.made, scene.states_asked) == (2, 3)


async def test_each_question_has_its_own_answer(scene: Scene) -> None:
    answers = {
        await scene.get(path, query) for path in ("/a", "/b") for query in (b"", b"x=1", b"x=2")
    }
    assert len(answers) == scene.made == 6


async def test_what_is_outdated_for_sure_is_not_asked_about(scene: Scene) -> None:
    await scene.get("/a")
    scene.state = "2"
    await scene.get("/b")
    await scene.get("/a")
    assert (scene.made, scene.states_asked) == (3, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", 404), ("state", ""), ("length", (256 << 10) + 1)],
)
async def test_some_answers_are_not_kept(scene: Scene, name: str, value: Any) -> None:
    setattr(scene, name, value)
    await scene.get("/a")
    await scene.get("/a")
    assert (scene.made, scene.states_asked) == (2, 0)


async def test_no_answer_is_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "_TTL_S", 0.0)
    scene = Scene()
    await scene.get("/a")
    await scene.get("/a")
    assert scene.made == 2


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "_MAX_BYTES", 25)
    scene = Scene()
    for path in ("/a", "/b", "/c", "/c", "/b", "/a"):
        await scene.get(path)
    # Two of ten bytes each have a place: the first one lost it to the third.
    assert scene.made == 4
