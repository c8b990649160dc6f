"""ALTO 4.3: XML with the place of each line and string."""

from collections.abc import Iterator, Sequence

from ocrstream_recorder.export.lines import extent_of, gaps_of, lines_of
from ocrstream_recorder.export.markup import attributes, escape, points
from ocrstream_recorder.export.model import Box, ExportImage, Heading

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"

_HEAD = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\
 xsi:schemaLocation="{NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-3.xsd"\
 SCHEMAVERSION="4.3">
<Description>
<MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>{{title}}</fileName></sourceImageInformation>
<Processing ID="ocrstream"><processingSoftware><softwareName>Ocrstream</softwareName>\
</processingSoftware></Processing>
</Description>
<Tags>
<OtherTag ID="not_read" LABEL="not read" DESCRIPTION="The image has no text; its page says why"/>
</Tags>
<Layout>
"""


class Alto:
    """One document with a `Page` for each image, whose name is in a comment before it.

    A page has the size of its image, if the provenance has it. A `String` holds one box; where
    boxes are lines, that is a whole line. A page without text has an empty block with the tag
    `not_read`, and the reason in `QUALITY_DETAIL`.
    """

    def __init__(self) -> None:
        self._pages = 0

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The head."""
        yield _HEAD.format(title=escape(heading.title)).encode()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its page."""
        self._pages += 1
        name = f"page_{self._pages}"
        known: dict[str, str | float] = {"ID": name, "PHYSICAL_IMG_NR": self._pages}
        if image.page is not None:
            known["PRINTED_IMG_NR"] = str(image.page)
        if image.size is not None:
            known["WIDTH"], known["HEIGHT"] = image.size
        if image.failure is not None:
            known["QUALITY_DETAIL"] = image.failure
        # Two hyphens would end the comment.
        parts = [f"<!-- {escape(image.title).replace('-', '&#45;')} -->\n"]
        parts.append(f"<Page{attributes(**known)}>\n")
        parts.append(f"<PrintSpace{_place(extent_of(image.boxes))}>\n")
        parts += _block(name, image)
        parts.append("</PrintSpace>\n</Page>\n")
        yield "".join(parts).encode()

    def end(self) -> Iterator[bytes]:
        """The tail."""
        # A layout has at least one page.
        empty = b"" if self._pages else b'<Page ID="page_0" PHYSICAL_IMG_NR="0"/>\n'
        yield empty + b"</Layout>\n</alto>\n"


def _block(name: str, image: ExportImage) -> Iterator[str]:
    if image.failure is not None:
        yield f'<TextBlock ID="{name}_block" TAGREFS="not_read"/>\n'
        return
    yield f'<TextBlock ID="{name}_block"{_place(extent_of(image.boxes))}>\n'
    for number, line in enumerate(lines_of(image), 1):
        yield from _line(f"{name}_line_{number}", line)
    yield "</TextBlock>\n"


def _line(name: str, line: Sequence[Box]) -> Iterator[str]:
    baseline = points((line[0].polygon[3], line[-1].polygon[2]))
    yield f'<TextLine ID="{name}" BASELINE="{baseline}"{_place(extent_of(line))}>\n'
    for number, (gap, box) in enumerate(zip(gaps_of(line), line, strict=True), 1):
        if gap:
            yield "<SP/>\n"
        known: dict[str, str | float] = {"CONTENT": box.text, "WC": box.confidence}
        yield f'<String ID="{name}_{number}"{attributes(**known)}{_place(box.extent)}>'
        yield f'<Shape><Polygon POINTS="{points(box.polygon)}"/></Shape></String>\n'
    yield "</TextLine>\n"


def _place(extent: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = extent
    return attributes(HPOS=left, VPOS=top, WIDTH=right - left, HEIGHT=bottom - top)
