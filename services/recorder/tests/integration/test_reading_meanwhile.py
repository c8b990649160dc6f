"""What readers see while polls are written: each row of a list once, and of an image one result."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from read_api import get, read_api
from read_events import at, box, ended, fill, submitted, write

from ocrstream_recorder.api.direct_reads import DirectReads
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_schemas.events import AnyEvent, OcrSucceeded

pytestmark = pytest.mark.integration

ZONE = DatabaseZone("UTC")
LISTS = {
    "/v1/batches": "batch_id",
    "/v1/batches/one/images": "chain_id",
    "/v1/chains": "chain_id",
    "/v1/tasks": "task_id",
    "/v1/ocr-executions": "image_path",
}


def changes(turn: int) -> list[AnyEvent]:
    """New images, of a batch that is there and of a new one, and another result of an old one."""
    again: Any = ended("one", turn % 11, None, "worker")
    return [
        submitted("one", 11 + turn),
        submitted(f"new {turn}", 0),
        msgspec.structs.replace(again, run=2 + turn, task_id=f"again {turn}"),
    ]


@pytest.mark.parametrize(("path", "key"), LISTS.items())
async def test_a_list_gives_each_row_once_whatever_is_written_meanwhile(
    database_url: str, path: str, key: str
) -> None:
    fill(database_url, ZONE)
    found, asked = Counter[str](), dict[str, Any](limit=2)
    async with read_api(database_url, ZONE) as api:
        there = {one[key] for one in (await get(api, path, limit=1000))["items"]}
        for turn in range(60):
            page = await get(api, path, **asked)
            found.update(one[key] for one in page["items"])
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]
            if turn < 20:
                write(database_url, changes(turn), ZONE)
        else:
            pytest.fail("the pages do not end")
    assert there <= found.keys()
    assert set(found.values()) == {1}


async def test_an_images_boxes_are_those_of_the_result_that_its_row_tells_of(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = itertools.count(1)

    def replace() -> None:
        """By a result whose one box says which run it is of."""
        run = next(runs)
        result = OcrSucceeded(
            image_path="file:///a.png",
            chain_id="a",
            task_id=f"task {run}",
            run=run,
            submitted_at=at(0),
            boxes=(box(str(run), 0, 0),),
        )
        write(database_url, [result], ZONE)

    really_read = DirectReads.rows

    async def read(*arguments: Any, **options: Any) -> Sequence[Any]:
        rows = await really_read(*arguments, **options)
        replace()
        return rows

    replace()
    monkeypatch.setattr(DirectReads, "rows", read)
    seen = set[int]()
    async with read_api(database_url, ZONE) as api:
        for _ in range(3):
            image = await get(api, "/v1/images", image_path="file:///a.png")
            assert [one["text"] for one in image["text_boxes"]] == [str(image["run"])]
            seen.add(image["run"])
    assert len(seen) == 3
