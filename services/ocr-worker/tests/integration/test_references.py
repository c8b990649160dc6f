"""References and reuse through a whole worker: images of a real S3 server, over a real broker."""

from collections.abc import AsyncGenerator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store
from worker_scene import Scene

from ocrstream_runtime.object_stores import parse_stores
from ocrstream_schemas.events import OcrFailed, OcrSucceeded, Reason
from ocrstream_worker.errors import PermanentImageError
from ocrstream_worker.references.stores import ObjectStoreFetcher

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def scene(kafka_bootstrap: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    async with Scene(kafka_bootstrap, tmp_path) as scene:
        yield scene


async def test_objects_are_read_whatever_their_keys_are(bucket: S3Store) -> None:
    fetcher = ObjectStoreFetcher(parse_stores("s3://scans, s3://absent"), max_bytes=10)
    for key in ("a.png", "folder/b c.png", "ä #1?%20+&=.png", "100%.png"):
        obstore.put(bucket, key, key.encode()[:10])
        assert await fetcher.fetch(f"s3://scans/{key}") == key.encode()[:10]
    obstore.put(bucket, "large.png", b"x" * 11)
    for reference, reason in {
        "s3://scans/large.png": Reason.TOO_LARGE,
        "s3://scans/absent.png": Reason.NOT_FOUND,
        "s3://absent/a.png": Reason.NOT_FOUND,
    }.items():
        with pytest.raises(PermanentImageError) as caught:
            await fetcher.fetch(reference)
        assert caught.value.reason is reason


async def test_a_batch_of_s3_references_is_read_and_read_again_without_the_engine(
    scene: Scene, bucket: S3Store
) -> None:
    picture = (scene.folder / "roots" / "a.png").read_bytes()
    for n in range(20):
        obstore.put(bucket, f"in/{n}.png", picture)
    obstore.put(bucket, "other/a.png", picture)
    worker = await scene.ready(OCRSTREAM_OBJECT_STORES="s3://scans/in")
    good = await scene.submit(*[f"s3://scans/in/{n}.png" for n in range(20)])
    bad = await scene.submit("s3://scans/in/absent.png", "s3://scans/other/a.png")
    outcomes = await scene.outcomes([*good, *bad])
    assert [type(event) for chain in good for event in outcomes[chain]] == [OcrSucceeded] * 20
    failed = [event for chain in bad for event in outcomes[chain]]
    assert all(isinstance(event, OcrFailed) for event in failed)
    assert [event.reason for event in failed] == [Reason.NOT_FOUND, Reason.REFUSED]

    options = {"reuse": True}
    (first,) = await scene.submit("s3://scans/in/0.png", options=options)
    (read,) = (await scene.outcomes([first]))[first]
    # The same bytes, wherever they lie.
    again = await scene.submit(scene.good, "s3://scans/in/1.png", options=options)
    reused = [event for one in (await scene.outcomes(again)).values() for event in one]
    assert [event.provenance.reused for event in (read, *reused)] == [False, True, True]
    assert [event.boxes for event in reused] == [read.boxes] * 2
    assert await worker.metric('ocrstream_worker_reuse_total{outcome="found"}') == 2
    assert await worker.metric('ocrstream_worker_stage_seconds_count{stage="recognize"}') == 21
    await scene.all_committed()
    assert await worker.stop() == 0
