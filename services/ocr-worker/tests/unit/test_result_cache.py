"""Stored results: found for the same bytes read the same way only, and never in the way."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from ocrstream_schemas.events import ImageSubmitted, Provenance, TextBox
from ocrstream_schemas.topics import OCR_RESULTS, TOPICS
from ocrstream_worker import metrics
from ocrstream_worker.decode import DecodeLimits
from ocrstream_worker.engines.port import EngineInfo, EngineSettings, Recognition
from ocrstream_worker.metrics import ReuseOutcome
from ocrstream_worker.result_cache import ResultCache, configuration_digest

INFO = EngineInfo(name="fake", versions={"fake": "1"}, device="cpu")
BOX = TextBox(text="Total", confidence=0.5, bbox=((0, 0), (4, 0), (4, 2), (0, 2)))
RESULT = Recognition(
    boxes=(BOX,), provenance=Provenance(engine="fake", timings_s={"recognize": 0.5})
)
REUSED = Recognition(
    boxes=(BOX,),
    provenance=Provenance(engine="fake", timings_s={"recognize": 0.5}, reused=True),
)
IMAGE = ImageSubmitted(image_path="file:///a", options={"reuse": True})


@pytest.fixture
def threads() -> Generator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def reuse(tmp_path: Path, threads: ThreadPoolExecutor) -> ResultCache:
    return ResultCache(tmp_path / "not-there-yet", b"basis", threads)


def counted(outcome: ReuseOutcome) -> float:
    return metrics.REUSE.labels(outcome)._value.get()  # pyright: ignore[reportPrivateUsage]


def stored(root: Path) -> list[Path]:
    return [path for path in (root / "not-there-yet").rglob("*") if path.is_file()]


async def test_what_was_kept_is_found_by_whoever_shares_the_folder(
    reuse: ResultCache, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    key = await reuse.key(IMAGE, b"file")
    missing, found = counted("missing"), counted("found")
    assert await reuse.get(key) is None
    await reuse.put(key, RESULT)
    other = ResultCache(tmp_path / "not-there-yet", b"basis", threads)
    other_image = msgspec.structs.replace(IMAGE, image_path="s3://bucket/b", chain_id="c")
    assert await other.get(await other.key(other_image, b"file")) == REUSED
    assert (counted("missing"), counted("found")) == (missing + 1, found + 1)


async def test_the_key_tells_everything_apart_that_changes_a_result(
    reuse: ResultCache, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    words = msgspec.structs.replace(IMAGE, options={"reuse": True, "boxes": "word"})
    keys = [
        await reuse.key(IMAGE, b"file"),
        await reuse.key(IMAGE, b"another"),
        await reuse.key(words, b"file"),
        await ResultCache(tmp_path, b"another basis", threads).key(IMAGE, b"file"),
    ]
    assert len(set(keys)) == len(keys)
    unrelated = msgspec.structs.replace(IMAGE, options={"reuse": True, "lane": "urgent"})
    assert await reuse.key(unrelated, b"file") == keys[0]


def test_the_basis_tells_engines_settings_and_limits_apart() -> None:
    bases = {
        configuration_digest(info, settings, limits)
        for info in (
            INFO,
            msgspec.structs.replace(INFO, name="other"),
            msgspec.structs.replace(INFO, versions={"fake": "2"}),
            msgspec.structs.replace(INFO, device="cuda"),
        )
        for settings in (EngineSettings(), EngineSettings(min_confidence=0.7))
        for limits in (DecodeLimits(), DecodeLimits(max_pixels=5), DecodeLimits(max_frames=2))
    }
    assert len(bases) == 4 * 2 * 3
    slower = EngineSettings(threads=7, image_timeout_s=1, start_timeout_s=1, noop_image_s=1)
    assert configuration_digest(INFO, slower, DecodeLimits()) in bases


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"\xff",
        b'{"type": "RecognitionFailure", "error": "no"}',
        b'{"type": "Recognition"}',
    ],
)
async def test_what_cannot_be_read_is_written_anew(
    reuse: ResultCache, tmp_path: Path, broken: bytes
) -> None:
    key = await reuse.key(IMAGE, b"file")
    await reuse.put(key, RESULT)
    (path,) = stored(tmp_path)
    path.write_bytes(broken)
    before = counted("unreadable")
    assert await reuse.get(key) is None
    assert counted("unreadable") == before + 1
    await reuse.put(key, RESULT)
    assert await reuse.get(key) == REUSED
    assert stored(tmp_path) == [path]


async def test_what_could_not_be_published_is_not_stored(
    reuse: ResultCache, tmp_path: Path
) -> None:
    limit = TOPICS[OCR_RESULTS].max_message_bytes
    key = await reuse.key(IMAGE, b"file")
    long = msgspec.structs.replace(BOX, text="x" * limit)
    await reuse.put(key, msgspec.structs.replace(RESULT, boxes=(long,)))
    assert stored(tmp_path) == []
    await reuse.put(key, RESULT)
    (path,) = stored(tmp_path)
    path.write_bytes(b" " * limit + path.read_bytes())
    assert await reuse.get(key) is None


async def test_a_folder_that_cannot_be_written_costs_nothing(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    (tmp_path / "file").touch()
    reuse = ResultCache(tmp_path / "file", b"basis", threads)
    key = await reuse.key(IMAGE, b"file")
    before = counted("unwritable")
    await reuse.put(key, RESULT)
    assert counted("unwritable") == before + 1
    assert await reuse.get(key) is None
