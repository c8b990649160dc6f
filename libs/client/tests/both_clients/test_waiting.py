"""Waiting for a batch, and reading it."""

import time
from typing import Any

import httpx
import pytest
from scripted_client import (
    BATCH,
    ENDED,
    client,
    collect,
    recorder,
    row,
    scripted,
    settle,
)

from ocrstream_client import (
    BatchStatus,
    ImagesFailedError,
    RefusedError,
    WaitTimeoutError,
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500, text="<html>"), "500 Internal Server Error"),
        (httpx.Response(200, text="<html>"), "is it Ocrstream's address"),
    ],
)
async def test_an_answer_that_is_no_json_is_told_by_its_status(
    kind: Any, answer: httpx.Response, said: str
) -> None:
    reader, _ = scripted(kind, answer)
    with pytest.raises(RefusedError, match=said):
        await settle(reader.batch("b").status())


async def test_waits_through_ignorance_and_outage_to_the_end(kind: Any) -> None:
    reader, _ = scripted(
        kind,
        httpx.Response(404, json={"title": "No such batch", "detail": "yet"}),
        httpx.ConnectError("refused"),
        httpx.Response(200, json=BATCH),
        httpx.Response(200, json=ENDED),
    )
    seen: list[BatchStatus] = []
    ended = await settle(reader.batch("b").wait(on_progress=seen.append))
    assert ended.ended
    assert [batch.completed_images for batch in seen] == [1, 2]


async def test_a_wait_ends_in_time_and_tells_how_far_it_came(kind: Any) -> None:
    reader, _ = scripted(kind, httpx.Response(200, json=BATCH))
    with pytest.raises(WaitTimeoutError, match="within 0 s: 50 % are done") as not_ended:
        await settle(reader.batch("b").wait(0))
    assert not_ended.value.batch.completed_images == 1
    with pytest.raises(TimeoutError):
        await settle(reader.batch("b").get(timeout=0))


async def test_patience_with_a_batch_nobody_knows_ends(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, asked = scripted(
        kind, httpx.Response(404, json={"title": "No such batch", "detail": "b"})
    )
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(RefusedError, match="No such batch"):
        await settle(reader.batch("b").wait())
    assert len(asked) > 10


async def test_pages_are_followed_to_the_last_and_images_say_what_they_hold(kind: Any) -> None:
    failed = row(2, status="FAILURE", reason="undecodable", error="no pixels")
    # The second is told of by a recorder that knows of warnings.
    reader = client(kind, recorder(row(0), row(1, warnings=["small_text"]), failed))
    images = await collect(reader.batch("b").images())
    assert [image.index for image in images] == [0, 1, 2]
    assert images[0].text == "file:///0.png\nand more"
    assert [image.warnings for image in images] == [(), ("small_text",), ()]
    assert images[0].provenance == {"engine": "of file:///0.png"}
    assert (images[2].read, images[2].reason, images[2].boxes) == (False, "undecodable", ())
    assert [image.boxes for image in await collect(reader.batch("b").images(boxes=False))] == [
        (),
        (),
        (),
    ]


async def test_get_gives_all_images_or_says_which_were_not_read(kind: Any) -> None:
    whole = client(kind, recorder(row(0), row(1), row(2)))
    assert [image.read for image in await settle(whole.batch("b").get(timeout=5))] == [True] * 3
    partly = client(kind, recorder(row(0), row(1, status="FAILURE", reason="engine", error="died")))
    with pytest.raises(ImagesFailedError, match=r"1 of 2 images.*1\.png: engine: died") as not_read:
        await settle(partly.batch("b").get())
    assert [image.read for image in not_read.value.images] == [True, False]
    told = await settle(partly.batch("b").get(propagate=False))
    assert [image.status for image in told] == ["SUCCESS", "FAILURE"]


async def test_a_batchs_id_may_be_any_text(kind: Any) -> None:
    reader, asked = scripted(kind, httpx.Response(200, json=BATCH))
    await settle(reader.batch("b/ü").status())
    assert asked[0].url.raw_path == b"/v1/batches/b%2F%C3%BC"
