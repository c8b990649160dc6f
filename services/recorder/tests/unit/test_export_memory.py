"""What a writer keeps of the images that it was given: next to nothing."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from exported import box, image, no_picture

from ocrstream_recorder.export.archive import Archive
from ocrstream_recorder.export.formats import Format, open_writer
from ocrstream_recorder.export.model import ExportImage, Heading, Writer

FEW, MANY = 200, 1200
# Of a PDF, where its objects and pages begin; of a ZIP, its directory.
KEPT_BYTES_AN_IMAGE = {"pdf": 64, "zip": 1024}


def images(count: int) -> Iterator[ExportImage]:
    for number in range(count):
        boxes = (box(f"line {number} {place}", y=20 * place) for place in range(10))
        yield image(*boxes, index=number, image_path=None, source_name=f"{number}.png")


def kept_bytes(writers: list[Writer], count: int) -> int:
    tracemalloc.start()
    try:
        for writer in writers:
            for _ in writer.begin(Heading("a batch")):
                pass
            for one in images(count):
                for _ in writer.add(one):
                    pass
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [*Format, "zip"])
def test_memory_does_not_grow_with_the_batch(kind: str) -> None:
    def writers() -> list[Writer]:
        if kind == "zip":
            # Its first folder alone: each is given the images anew, and the last ends the ZIP.
            return Archive([Format.TXT], no_picture, dict).writers[:1]
        return [open_writer(Format(kind), no_picture)]

    def grown_bytes() -> int:
        return kept_bytes(writers(), MANY) - kept_bytes(writers(), FEW)

    kept_bytes(writers(), 10)  # what is made once
    allowed = 50_000 + KEPT_BYTES_AN_IMAGE.get(kind, 0) * (MANY - FEW)
    # A table of the interpreter's own, as that of interned strings, may double meanwhile, once.
    assert any(grown_bytes() < allowed for _ in range(2))
