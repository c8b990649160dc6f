"""Pictures that the recorder shows lie and look as what workers read, whatever the file."""

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, PngImagePlugin

from ocrstream_recorder.pictures.pool import PicturePool, WebPicture
from ocrstream_recorder.pictures.source import NoPictureError
from ocrstream_runtime.errors import FetchFailure
from ocrstream_sandbox.blocking import BlockingChildPool
from ocrstream_sandbox.errors import ChildDiedError, ChildStarvedError, ChildUnavailableError
from ocrstream_worker.decode import DecodeLimits, Decoder

# Pillow says so, and goes on.
pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data")

DECODER = Decoder(DecodeLimits())
WIDTH, HEIGHT = 643, 481
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "P", "RGB"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
SHOWN = {"image/gif", "image/jpeg", "image/png", "image/webp"}


def drawing(mode: str) -> Image.Image:
    """Unlike in each corner, so that every turn is seen; where there is alpha, partly clear."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 200, 120), fill="black")
    draw.rectangle((440, 20, 642, 60), fill=(120, 120, 120))
    draw.rectangle((30, 340, 160, 480), fill=(200, 60, 60))
    if mode in {"I;16", "I", "F"}:
        levels = np.asarray(image.convert("L")).astype(np.float32)
        if mode == "F":
            return Image.fromarray(levels / 255)
        deep = levels * 257
        return Image.fromarray(deep.astype(np.uint16 if mode == "I;16" else np.int32))
    if mode in {"LA", "RGBA"}:
        image = image.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        return image
    return image.convert(mode)


def file(image: Image.Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def files() -> Iterator[Any]:
    for kind, modes in MODES.items():
        exact: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        for mode in modes:
            yield pytest.param(file(drawing(mode), kind, **exact), id=f"{kind} {mode}")
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        for orientation in range(10):
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = orientation
            data = file(drawing("RGB"), kind, exif=exif)
            yield pytest.param(data, id=f"{kind} turned {orientation}")
    frames = [drawing("L"), Image.new("L", (WIDTH, HEIGHT), "black")]
    for kind in ("GIF", "PNG", "TIFF", "WEBP"):
        data = file(frames[0], kind, save_all=True, append_images=frames[1:])
        yield pytest.param(data, id=f"{kind} of two frames")
    yield pytest.param(_late_orientation(), id="PNG turned behind its pixels")
    yield pytest.param(
        file(drawing("P"), "PNG", transparency=0), id="PNG with a clear colour in its palette"
    )
    yield pytest.param(
        file(drawing("RGB"), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), id="JPEG with bad EXIF"
    )


def _late_orientation() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    plain = file(drawing("RGB"), "PNG")
    chunk = io.BytesIO()
    PngImagePlugin.putchunk(chunk, b"eXIf", exif.tobytes()[6:])
    before_end = plain.index(b"IEND") - 4
    return plain[:before_end] + chunk.getvalue() + plain[before_end:]


FILES = list(files())


@pytest.fixture(scope="module")
def pool() -> PicturePool:
    return PicturePool(1)


def pixels(picture: WebPicture) -> np.ndarray[Any, Any]:
    """As a browser shows it that turns nothing: a file that stays must need no turn."""
    with Image.open(io.BytesIO(picture.content)) as image:
        assert Image.MIME[str(image.format)] == picture.media_type
        assert image.getexif().get(ExifTags.Base.Orientation) not in range(2, 9)
        assert not image.has_transparency_data
        assert not getattr(image, "is_animated", False)
        if image.mode == "I;16":
            return np.asarray(image)[:, :, np.newaxis].repeat(3, 2) / 257
        return np.asarray(image.convert("RGB")).astype(float)


@pytest.mark.parametrize("data", FILES)
def test_a_picture_is_what_was_read(data: bytes, pool: PicturePool) -> None:
    read = DECODER.decode(data)
    for keep_if_shown in (True, False):
        picture = pool.convert(data, keep_if_shown=keep_if_shown)
        assert picture.media_type in SHOWN
        assert (picture.height, picture.width) == read.shape[:2]
        shown = pixels(picture)
        assert shown.shape == read.shape
        # What JPEG loses at edges is little on the whole.
        assert np.abs(shown - read).mean() < 3


@pytest.mark.parametrize("data", FILES)
def test_a_small_picture_is_the_same_scaled(data: bytes, pool: PicturePool) -> None:
    read = DECODER.decode(data)
    height, width = read.shape[:2]
    picture = pool.convert(data, width=100)
    assert (picture.width, picture.height) == (width, height)
    shown = pixels(picture)
    assert shown.shape[:2] == (round(height * 100 / width), 100)
    size = (shown.shape[1], shown.shape[0])
    wanted = np.asarray(Image.fromarray(read).resize(size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(shown - wanted).mean() < 6


def test_files_that_browsers_show_alike_stay(pool: PicturePool) -> None:
    for kind, mode in (("JPEG", "RGB"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGB"), ("GIF", "P")):
        data = file(drawing(mode), kind)
        assert pool.convert(data, keep_if_shown=True).content == data, (kind, mode)
        assert pool.convert(data, keep_if_shown=True, width=WIDTH).content == data
        assert pool.convert(data, keep_if_shown=True, width=64).content != data


def test_a_small_image_is_not_made_larger(pool: PicturePool) -> None:
    picture = pool.convert(file(drawing("RGB"), "TIFF"), width=WIDTH + 1)
    assert pixels(picture).shape[:2] == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        file(drawing("RGB"), "PNG")[:500],
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, pool: PicturePool) -> None:
    with pytest.raises(NoPictureError) as refused:
        pool.convert(data, keep_if_shown=True)
    assert refused.value.failure is FetchFailure.UNDECODABLE


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_small_file_with_too_many_pixels_is_refused(side: int, pool: PicturePool) -> None:
    bomb = file(Image.new("1", (side, side)), "PNG")
    with pytest.raises(NoPictureError, match="100,000,000") as refused:
        pool.convert(bomb, keep_if_shown=True)
    assert refused.value.failure is FetchFailure.TOO_LARGE


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ChildDiedError("the process was killed"), FetchFailure.UNDECODABLE),
        (ChildStarvedError("too little CPU"), FetchFailure.UNREACHABLE),
        (ChildUnavailableError("no processes", permanent=False), FetchFailure.UNREACHABLE),
        (MemoryError("no room"), FetchFailure.UNREACHABLE),
    ],
)
def test_what_is_no_fault_of_the_image_may_pass(
    error: Exception, failure: FetchFailure, pool: PicturePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*_: object) -> None:
        raise error

    monkeypatch.setattr(BlockingChildPool, "call", call)
    with pytest.raises(NoPictureError) as refused:
        pool.convert(b"image")
    assert refused.value.failure is failure


def test_an_image_that_needs_too_much_memory_harms_no_other(pool: PicturePool) -> None:
    # 99 megapixels with alpha, and nearly as many again: more than the process may have.
    wide = Image.new("RGBA", (9_900, 10_000))
    with pytest.raises(NoPictureError, match="more memory or time"):
        pool.convert(file(wide, "PNG", compress_level=1), width=9_800)
    assert math.prod(pixels(pool.convert(file(drawing("RGB"), "BMP"))).shape) == WIDTH * HEIGHT * 3
