"""PDF: each image with its text over it, invisible, so that readers find and copy it."""

import math
import textwrap
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence

from ocrstream_recorder.errors import PdfTooLargeError
from ocrstream_recorder.export import glyphless
from ocrstream_recorder.export.bidirectional import (
    Run,
    is_right_to_left,
    runs_in_content_order,
)
from ocrstream_recorder.export.lines import extent_of, gaps_of, lines_of, piece_of, text_of
from ocrstream_recorder.export.model import Box, ExportImage, Heading
from ocrstream_recorder.export.pdf_images import PdfImage
from ocrstream_recorder.pictures.source import NoPictureError

DPI = 200
"""The resolution of images, since none is recorded; the text fits the image at any."""

_POINTS_PER_INCH = 72
_LARGEST_PAGE_POINTS = 14_400.0
_EMPTY_PAGE_PIXELS = (1654, 2339)  # A4
# The font sizes of a note in points, of which the first that fits is used; the mean width of
# letters and the distance of lines, relative to the font size.
_NOTE_POINTS, _NOTE_COLUMNS = (9.0, 7.0, 5.0, 3.0, 2.0, 1.0), 80
_NOTE_ASPECT, _NOTE_LEADING, _NOTE_MARGIN = 0.55, 1.3, 18.0
_CATALOG, _PAGES, _FONT, _CID_FONT, _DESCRIPTOR, _FONT_FILE, _GLYPHS, _TO_UNICODE, _NOTE_FONT = (
    range(1, 10)
)
_INFO = 10
_FIRST_FREE = 11


class Pdf:
    """One document with a page for each image in order, written front to back.

    `open_pdf_image` returns the image of an `image_path`, or raises NoPictureError. A page without
    an image, or without text, has a note with the reason.
    """

    def __init__(self, open_pdf_image: Callable[[str], PdfImage]) -> None:
        self._open_pdf_image = open_pdf_image
        self._font = glyphless.GlyphlessFont()
        self._title = ""
        self._length = 0
        # The offset of each object, by its number; 0 if it is not written yet.
        self._offsets = array("Q", bytes(8 * _FIRST_FREE))
        self._pages = array("L")

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The head and the fonts."""
        self._title = heading.title
        yield self._counted(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        yield self._object(
            _FONT,
            b"<</Type /Font /Subtype /Type0 /BaseFont /Glyphless /Encoding /Identity-H"
            b" /DescendantFonts [%d 0 R] /ToUnicode %d 0 R>>" % (_CID_FONT, _TO_UNICODE),
        )
        yield self._object(
            _CID_FONT,
            b"<</Type /Font /Subtype /CIDFontType2 /BaseFont /Glyphless /CIDSystemInfo"
            b" <</Registry (Adobe) /Ordering (Identity) /Supplement 0>> /FontDescriptor %d 0 R"
            b" /CIDToGIDMap %d 0 R %s>>" % (_DESCRIPTOR, _GLYPHS, glyphless.widths()),
        )
        yield self._object(
            _DESCRIPTOR,
            b"<</Type /FontDescriptor /FontName /Glyphless /Flags 5 /FontBBox [0 0 1000 1000]"
            b" /ItalicAngle 0 /Ascent %d /Descent 0 /CapHeight %d /StemV 80 /FontFile2 %d 0 R>>"
            % (glyphless.ASCENT, glyphless.ASCENT, _FONT_FILE),
        )
        font = glyphless.font_file()
        yield self._stream(_FONT_FILE, b"/Length1 %d" % len(font), font)
        yield self._stream(_GLYPHS, b"/Filter /FlateDecode", glyphless.glyph_map())
        yield self._object(
            _NOTE_FONT,
            b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>",
        )

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its page."""
        picture, failure = self._picture(image)
        if picture is not None:
            width, height = picture.width, picture.height
        elif image.size is not None:
            width, height = image.size
        else:
            _, _, right, bottom = extent_of(image.boxes)
            width = max(math.ceil(right), _EMPTY_PAGE_PIXELS[0])
            height = max(math.ceil(bottom), _EMPTY_PAGE_PIXELS[1])
        scale = min(_POINTS_PER_INCH / DPI, _LARGEST_PAGE_POINTS / max(width, height))
        sheet = _Sheet(width * scale, height * scale, scale, self._font)
        resources = b""
        if picture is not None:
            number = self._new()
            head = b"/Type /XObject /Subtype /Image /Width %d /Height %d %s"
            yield self._stream(number, head % (width, height, picture.dictionary), picture.content)
            resources = b" /XObject <</Image %d 0 R>>" % number
            sheet.show_picture()
        notes = [note for note in (image.failure, failure) if note is not None]
        if notes:
            sheet.note(f"{image.title}: {'; '.join(notes)}")
        for line in lines_of(image):
            sheet.hide_line(line)
        content = self._new()
        yield self._stream(content, b"/Filter /FlateDecode", zlib.compress(sheet.content))
        page = self._new()
        self._pages.append(page)
        yield self._object(
            page,
            b"<</Type /Page /Parent %d 0 R /MediaBox [0 0 %.2f %.2f] /Contents %d 0 R /Resources"
            b" <</Font <</Hidden %d 0 R /Note %d 0 R>>%s>>>>"
            % (_PAGES, sheet.width, sheet.height, content, _FONT, _NOTE_FONT, resources),
        )

    def end(self) -> Iterator[bytes]:
        """The page tree, the map of characters and the table of objects."""
        compressed = zlib.compress(self._font.to_unicode())
        yield self._stream(_TO_UNICODE, b"/Filter /FlateDecode", compressed)
        pages = b" ".join(b"%d 0 R" % page for page in self._pages)
        yield self._object(
            _PAGES, b"<</Type /Pages /Count %d /Kids [%s]>>" % (len(self._pages), pages)
        )
        yield self._object(_CATALOG, b"<</Type /Catalog /Pages %d 0 R>>" % _PAGES)
        yield self._object(_INFO, b"<</Producer (Ocrstream) /Title %s>>" % _string(self._title))
        start = self._length
        if start > 9_999_999_999:
            raise PdfTooLargeError("the PDF is larger than 10 GB; export it in parts, or as a ZIP")
        count = len(self._offsets)
        yield b"xref\n0 %d\n0000000000 65535 f \n" % count
        yield b"".join(b"%010d 00000 n \n" % offset for offset in self._offsets[1:])
        yield b"trailer\n<</Size %d /Root %d 0 R /Info %d 0 R>>\n" % (count, _CATALOG, _INFO)
        yield b"startxref\n%d\n%%%%EOF\n" % start

    def _picture(self, image: ExportImage) -> tuple[PdfImage | None, str | None]:
        if image.image_path is None:
            return None, None
        try:
            return self._open_pdf_image(image.image_path), None
        except NoPictureError as error:
            return None, f"the image is not shown: {error}"

    def _new(self) -> int:
        self._offsets.append(0)
        return len(self._offsets) - 1

    def _object(self, number: int, content: bytes) -> bytes:
        self._offsets[number] = self._length
        return self._counted(b"%d 0 obj\n%s\nendobj\n" % (number, content))

    def _stream(self, number: int, how: bytes, content: bytes) -> bytes:
        head = b"<</Length %d %s>>" % (len(content), how)
        return self._object(number, b"%s\nstream\n%s\nendstream" % (head, content))

    def _counted(self, content: bytes) -> bytes:
        self._length += len(content)
        return content


class _Sheet:
    """The content of one page; `width` and `height` in points, `scale` points a pixel."""

    def __init__(
        self, width: float, height: float, scale: float, font: glyphless.GlyphlessFont
    ) -> None:
        self.width = width
        self.height = height
        self._scale = scale
        self._font = font
        self._parts: list[bytes] = []

    @property
    def content(self) -> bytes:
        """The drawing operators."""
        return b"\n".join(self._parts)

    def show_picture(self) -> None:
        """Draw the image over the whole page."""
        self._parts.append(b"q %.4f 0 0 %.4f 0 0 cm /Image Do Q" % (self.width, self.height))

    def note(self, text: str) -> None:
        """Draw visible text at the top; readers find what the font shows as question marks, too."""
        shown = text.encode("cp1252", "replace").decode("cp1252")
        self._parts.append(b"/Span <</ActualText %s>> BDC" % _string(text))
        margin = min(_NOTE_MARGIN, self.width / 10, self.height / 10)
        points, lines = _fitted(shown, self.width - 2 * margin, self.height - 2 * margin)
        self._parts.append(
            b"BT /Note %.2f Tf 0 Tr %.2f TL %.2f %.2f Td"
            % (points, _NOTE_LEADING * points, margin, self.height - margin - points)
        )
        for line in lines:
            self._parts.append(b"<%s> Tj T*" % line.encode("cp1252", "replace").hex().encode())
        self._parts.append(b"ET EMC")

    def hide_line(self, line: Sequence[Box]) -> None:
        """Write invisible text with the heights, widths and angles of the line's boxes."""
        right_to_left = is_right_to_left(text_of(line))
        (x, y), (next_x, next_y) = line[0].polygon[3], line[0].polygon[2]
        shown = sorted(
            (box for box in line if box.text.strip()),
            key=lambda box: box.polygon[3][0] * (next_x - x) + box.polygon[3][1] * (next_y - y),
        )
        gaps = gaps_of(shown)
        for at, box in enumerate(shown):
            width = math.dist(box.polygon[3], box.polygon[2])
            gap = ""
            if at + 1 < len(shown):
                gap = gaps[at + 1]
                if not gap:  # readers take room for a blank
                    width = max(width, math.dist(box.polygon[3], shown[at + 1].polygon[3]))
            self._hide(box, width, gap, right_to_left=right_to_left)

    def _hide(self, box: Box, width: float, gap: str, *, right_to_left: bool) -> None:
        text = piece_of(box)
        (left_x, left_y), (right_x, right_y) = box.polygon[3], box.polygon[2]
        length = math.dist(box.polygon[3], box.polygon[2])
        height = math.dist(box.polygon[0], box.polygon[3])
        if not text or not length or not height:
            return
        runs = runs_in_content_order(text, right_to_left=right_to_left)
        if gap:
            runs.append(Run(gap, len(runs)))
        cos, sin = (right_x - left_x) / length, (left_y - right_y) / length
        size = height * self._scale
        stretch = 100 * width / (self._font.width(text) * height)
        x, y = left_x * self._scale, self.height - left_y * self._scale
        self._parts.append(
            b"BT /Hidden %.4f Tf 3 Tr %.4f Tz %.5f %.5f %.5f %.5f %.3f %.3f Tm [<%s>] TJ ET"
            % (size, stretch, cos, sin, -sin, cos, x, y, self._placed(runs))
        )

    def _placed(self, runs: Sequence[Run]) -> bytes:
        """The codes of runs, and the moves between them in thousandths of the font's size."""
        starts: dict[int, float] = {}
        start = 0.0
        for run in sorted(runs, key=lambda run: run.place):
            starts[run.place] = start
            start += 1000 * self._font.width(run.text)
        parts: list[bytes] = []
        place = 0.0
        for run in runs:
            if place != starts[run.place]:
                parts.append(b"> %d <" % (place - starts[run.place]))
            parts.append(self._font.encode(run.text))
            place = starts[run.place] + 1000 * self._font.width(run.text)
        return b"".join(parts)


def _fitted(text: str, width: float, height: float) -> tuple[float, list[str]]:
    """The greatest font size at which the text fits, or the smallest one; and the text's lines."""
    lines: list[str] = []
    for points in _NOTE_POINTS:
        columns = min(_NOTE_COLUMNS, max(1, int(width / (_NOTE_ASPECT * points))))
        lines = textwrap.wrap(text, columns)
        if len(lines) * _NOTE_LEADING * points <= height:
            return points, lines
    return _NOTE_POINTS[-1], lines


def _string(text: str) -> bytes:
    return b"<FEFF%s>" % text.encode("utf-16-be", "replace").hex().encode()
