"""hOCR 1.2: HTML with the place of each line and word in `title`."""

import math
from collections.abc import Iterator, Sequence

from ocrstream_recorder.export.lines import angle_of, extent_of, gaps_of, lines_of
from ocrstream_recorder.export.markup import escape, number
from ocrstream_recorder.export.model import Box, ExportImage, Heading

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<title>{title}</title>
<meta name="ocr-system" content="Ocrstream"/>
<meta name="ocr-capabilities" content="ocr_page ocr_line ocrx_word ocrp_poly"/>
</head>
<body>
"""
_STRAIGHT_DEG = 0.05
_STEEP_DEG = 45.0


class Hocr:
    """One document with an `ocr_page` for each image.

    A paragraph of class `ocrstream_error` gives the reason why an image has no text. An `ocrx_word`
    holds one box; where boxes are lines, that is a whole line.
    """

    def __init__(self) -> None:
        self._pages = 0

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The head."""
        yield _HEAD.format(title=escape(heading.title)).encode()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its page."""
        self._pages += 1
        page = self._pages
        # Without the image's size, the page ends where its text ends.
        right, bottom = image.size or extent_of(image.boxes)[2:]
        properties = [
            f'image "{_quoted(image.image_path or image.name)}"',
            _bbox((0.0, 0.0, right, bottom)),
            f"ppageno {page - 1}",
        ]
        parts = [
            f'<div class="ocr_page" id="page_{page}" title="{escape("; ".join(properties))}">\n'
        ]
        if image.failure is not None:
            parts.append(f'<p class="ocrstream_error">{escape(image.failure)}</p>\n')
        for number_, line in enumerate(lines_of(image), 1):
            parts += _line(f"{page}_{number_}", line)
        parts.append("</div>\n")
        yield "".join(parts).encode()

    def end(self) -> Iterator[bytes]:
        """The tail."""
        yield b"</body>\n</html>\n"


def _line(name: str, line: Sequence[Box]) -> Iterator[str]:
    extent = extent_of(line)
    properties = [_bbox(extent), *_slope(line, extent)]
    yield f'<span class="ocr_line" id="line_{name}" title="{"; ".join(properties)}">'
    for place, (gap, box) in enumerate(zip(gaps_of(line), line, strict=True), 1):
        corners = " ".join(f"{number(x)} {number(y)}" for x, y in box.polygon)
        of_word = f"{_bbox(box.extent)}; x_wconf {round(100 * box.confidence)}; poly {corners}"
        yield (
            f'{gap}<span class="ocrx_word" id="word_{name}_{place}" title="{of_word}">'
            f"{escape(box.text)}</span>"
        )
    yield "</span><br/>\n"


def _slope(line: Sequence[Box], extent: tuple[float, float, float, float]) -> Iterator[str]:
    angle = angle_of(line[0])
    if abs(angle) >= _STRAIGHT_DEG:
        yield f"textangle {number(angle)}"
    if abs(angle) < _STEEP_DEG:
        # A polynomial from the box's bottom left corner, y downwards.
        slope = -math.tan(math.radians(angle)) if abs(angle) >= _STRAIGHT_DEG else 0.0
        x, y = line[0].polygon[3]
        offset = y + slope * (extent[0] - x) - extent[3]
        yield f"baseline {number(slope, places=4)} {number(offset)}"


def _bbox(extent: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = extent
    return f"bbox {math.floor(left)} {math.floor(top)} {math.ceil(right)} {math.ceil(bottom)}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
