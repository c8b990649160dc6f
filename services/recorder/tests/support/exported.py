"""Exports made without a server, and text that lies on an image as it was put there."""

import math
from collections.abc import Callable, Iterable

from ocrstream_recorder.export.formats import Format, open_writer
from ocrstream_recorder.export.model import Box, ExportImage, Heading, Point
from ocrstream_recorder.export.pdf_images import PdfImage
from ocrstream_recorder.pictures.source import NoPictureError
from ocrstream_runtime.errors import FetchFailure


def no_picture(reference: str) -> PdfImage:
    """There are none."""
    raise NoPictureError(f"{reference} is not shown here", FetchFailure.NOT_FOUND)


def export(
    kind: Format,
    *images: ExportImage,
    open_pdf_image: Callable[[str], PdfImage] = no_picture,
    title: str = "a batch",
    single: bool = False,
) -> bytes:
    """The whole export."""
    writer = open_writer(kind, open_pdf_image)
    pieces: list[Iterable[bytes]] = [writer.begin(Heading(title, single=single))]
    pieces += [writer.add(image) for image in images]
    return b"".join(piece for some in [*pieces, writer.end()] for piece in some)


def box(  # noqa: PLR0917 - a place, a size and a turn are read in this order
    text: str, x: float = 0, y: float = 0, width: float = 100, height: float = 20, turn: float = 0
) -> Box:
    """A box whose text's top left corner is at (x, y), turned counter-clockwise by degrees."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    points: tuple[Point, ...] = tuple(
        (x + right * cos + down * sin, y - right * sin + down * cos) for right, down in corners
    )
    return Box(text, 0.5, points)


def image(*boxes: Box, **fields: object) -> ExportImage:
    """An image that was read."""
    known: dict[str, object] = {"chain_id": "c", "image_path": "file:///scans/a.png"}
    return ExportImage(**known | {"boxes": boxes} | fields)  # pyright: ignore[reportArgumentType]


def failed(**fields: object) -> ExportImage:
    """An image that was not read."""
    told = {"status": "FAILURE", "reason": "not_found", "error": "it is gone"}
    return image(**told | fields)
