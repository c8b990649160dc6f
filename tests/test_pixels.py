"""Worker, ingest's pages and the recorder's pictures have the same pixels of a file.

Pages are written sample by sample, and the rule by which they are read is written out once more.
"""

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tiff_files import (
    ALPHA,
    PALETTE,
    PREMULTIPLIED,
    RGB,
    SEPARATED,
    WHITE_IS_ZERO,
    ByteOrder,
    TiffPage,
    tiff_of,
)

from ocrstream_ingest.documents import DocumentLimits, DocumentSplitter
from ocrstream_ingest.form import ReceivedFile
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_schemas.events import Refusal
from ocrstream_worker.decode import DecodeLimits, Decoder

Pixels = NDArray[np.uint8]

LIMITS = DocumentLimits(
    max_pages=100,
    max_page_pixels=1_000_000,
    max_bytes=100_000_000,
    dpi=200,
    timeout_s=60,
    memory_bytes=1 << 30,
    max_concurrent=1,
)
ORDERS: dict[str, ByteOrder] = {"little-endian": "<", "big-endian": ">"}
SIZE = (37, 53)
RANDOM = np.random.default_rng(7)
LEVELS = RANDOM.integers(0, 256, SIZE).astype(np.uint8)
COLORS = RANDOM.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
# What lies so is turned by this to be upright.
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: np.rot90,
}


class Case(NamedTuple):
    """A page and what it is to be; gray if that has no colours."""

    page: TiffPage
    expected: NDArray[Any]


def scaled(samples: NDArray[Any], white: float) -> Pixels:
    with np.errstate(over="ignore"):
        levels = samples.astype(np.float32) * np.float32(255 / white) + np.float32(0.5)
    return np.clip(levels, 0, 255).astype(np.uint8)


def on_white(colors: NDArray[Any], alpha: NDArray[Any]) -> Pixels:
    share = alpha[:, :, np.newaxis] / 255
    return np.rint(colors * share + 255 * (1 - share)).astype(np.uint8)


def around_halves(white: float) -> NDArray[np.float32]:
    """Samples of which another precision would round some the other way."""
    below = above = ((np.arange(255) + 0.5) / 255 * white).astype(np.float32)
    found = [below]
    for _ in range(3):
        below = np.nextafter(below, np.float32(-np.inf))
        above = np.nextafter(above, np.float32(np.inf))
        found += [below, above]
    return np.concatenate(found)


def deep_cases() -> Iterator[tuple[str, Case]]:
    deep = RANDOM.integers(0, 65536, SIZE).astype(np.uint16)
    dark = (deep // 16).astype(np.uint16)
    yield "16 bit", Case(TiffPage(deep), scaled(deep, 65535))
    yield "16 bit, all dark", Case(TiffPage(dark), scaled(dark, 65535))
    yield "16 bit on its side", Case(TiffPage(deep, orientation=6), TURNS[6](scaled(deep, 65535)))
    signed = (deep // 2).astype(np.int16)
    yield "signed 16 bit", Case(TiffPage(signed), scaled(signed, 65535))
    for white in (255, 65535, 1_000_000, 2**31 - 1):
        whole = RANDOM.integers(-9, white, SIZE, endpoint=True).astype(np.int32)
        whole[0, :2] = white, -9
        yield f"32 bit to {white:,}", Case(TiffPage(whole), scaled(whole, white))
    for white in (1, 255, 65535, 1e6, 3e38):
        floats = RANDOM.random(SIZE, dtype=np.float32) * np.float32(white)
        halves = around_halves(white)
        floats.flat[: len(halves)] = halves
        floats[-1, -2:] = white, -white / 2
        yield f"float to {white:g}", Case(TiffPage(floats), scaled(floats, float(floats.max())))
    broken = RANDOM.random(SIZE, dtype=np.float32)
    broken[0, :3] = np.nan, -np.inf, 1
    broken[20, 30:40] = np.nan
    yield "float with what is no number", Case(TiffPage(broken), scaled(np.nan_to_num(broken), 1))
    infinite = broken.copy()
    infinite[5, 5] = np.inf
    white = np.zeros(SIZE, np.uint8)
    white[5, 5] = 255
    yield "float with infinity", Case(TiffPage(infinite), white)


def cases() -> Iterator[tuple[str, Case]]:
    yield from deep_cases()
    yield "8 bit", Case(TiffPage(LEVELS), LEVELS)
    yield "8 bit inverted", Case(TiffPage(~LEVELS, WHITE_IS_ZERO), LEVELS)
    bits = LEVELS > 127
    yield "1 bit", Case(TiffPage(bits), bits * 255)
    yield "1 bit inverted", Case(TiffPage(~bits, WHITE_IS_ZERO), bits * 255)
    yield "RGB", Case(TiffPage(COLORS, RGB), COLORS)
    deep = COLORS.astype(np.uint16) * 256 + 255
    yield "RGB of 16 bit", Case(TiffPage(deep, RGB), COLORS)
    palette = RANDOM.integers(0, 256, (256, 3)).astype(np.uint16)
    page = TiffPage(LEVELS, PALETTE, palette=palette.T * np.uint16(257))
    yield "palette", Case(page, palette[LEVELS])
    inks = np.dstack([COLORS, LEVELS])
    paper = (255 - COLORS.astype(int)) * (255 - LEVELS.astype(int))[:, :, np.newaxis] / 255
    yield "CMYK", Case(TiffPage(inks, SEPARATED), np.rint(paper))
    veiled = np.dstack([COLORS, LEVELS])
    yield "alpha", Case(TiffPage(veiled, RGB, extra=ALPHA), on_white(COLORS, LEVELS))
    shaded = np.rint(COLORS * (LEVELS[:, :, np.newaxis] / 255)).astype(np.uint8)
    veiled = np.dstack([shaded, LEVELS])
    expected = shaded + (255 - LEVELS[:, :, np.newaxis])
    yield "alpha in the colours", Case(TiffPage(veiled, RGB, extra=PREMULTIPLIED), expected)
    gray = np.dstack([COLORS[:, :, 0], LEVELS])
    expected = on_white(COLORS[:, :, :1], LEVELS)
    yield "gray with alpha", Case(TiffPage(gray, extra=ALPHA), expected)
    for orientation, turn in TURNS.items():
        page = TiffPage(LEVELS, orientation=orientation)
        yield f"orientation {orientation}", Case(page, turn(LEVELS))


CASES = dict(cases())
# Shares of layers are rounded at another step.
TOLERANCES = {"CMYK": 1, "alpha": 1, "alpha in the colours": 2, "gray with alpha": 1}


def decoded(content: bytes) -> Pixels:
    return Decoder(DecodeLimits()).decode(content)


@pytest.fixture(scope="module")
def pool() -> PicturePool:
    return PicturePool(1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    """Each case as the image that ingest makes of a page, of one document in each byte order."""
    folder = tmp_path_factory.mktemp("documents")
    found: dict[tuple[str, str], bytes] = {}
    for order, mark in ORDERS.items():
        content = tiff_of([case.page for case in CASES.values()], mark)
        path = folder / order
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        file = ReceivedFile(path, order, digest, len(content), content[:1024])
        (written,) = asyncio.run(DocumentSplitter(LIMITS).split([file]))
        assert not isinstance(written, Refusal), written
        for name, page in zip(CASES, written, strict=True):
            found[order, name] = page.read_bytes()
    return found


Reader = Callable[[str, str], Pixels]


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> Reader:
    def image(order: str, name: str) -> bytes:
        return tiff_of([CASES[name].page], ORDERS[order])

    def worker(order: str, name: str) -> Pixels:
        return decoded(image(order, name))

    def ingest(order: str, name: str) -> Pixels:
        pages: dict[tuple[str, str], bytes] = request.getfixturevalue("pages")
        return decoded(pages[order, name])

    def recorder(order: str, name: str) -> Pixels:
        pool: PicturePool = request.getfixturevalue("pool")
        with Image.open(io.BytesIO(pool.convert(image(order, name)).content)) as picture:
            assert picture.mode in {"1", "L", "RGB"}
            return np.asarray(picture.convert("RGB"))

    return {"worker": worker, "ingest": ingest, "recorder": recorder}[request.param]


@pytest.mark.parametrize("reader", ["worker", "ingest", "recorder"], indirect=True)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CASES)
def test_a_page_has_its_pixels(reader: Reader, order: str, name: str) -> None:
    expected = CASES[name].expected
    if expected.ndim == 2:
        expected = expected[:, :, np.newaxis]
    pixels = reader(order, name)
    assert pixels.shape == (*expected.shape[:2], 3)
    assert np.abs(pixels.astype(int) - expected).max() <= TOLERANCES.get(name, 0)
