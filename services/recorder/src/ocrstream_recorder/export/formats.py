"""The formats, their media types, file suffixes and writers."""

from collections.abc import Callable
from enum import StrEnum

from ocrstream_recorder.export.alto import Alto
from ocrstream_recorder.export.hocr import Hocr
from ocrstream_recorder.export.model import Writer
from ocrstream_recorder.export.pdf import Pdf
from ocrstream_recorder.export.pdf_images import PdfImage
from ocrstream_recorder.export.plain_text import Markdown, PlainText
from ocrstream_recorder.export.tabular import Csv, JsonLines

OpenPdfImage = Callable[[str], PdfImage]


class Format(StrEnum):
    """The format of one document."""

    JSONL = "jsonl"
    CSV = "csv"
    TXT = "txt"
    MD = "md"
    HOCR = "hocr"
    ALTO = "alto"
    PDF = "pdf"

    @property
    def media_type(self) -> str:
        """The value of `Content-Type`."""
        return _MEDIA_TYPES[self]

    @property
    def suffix(self) -> str:
        """The suffix of file names."""
        return ".alto.xml" if self is Format.ALTO else f".{self.value}"


_MEDIA_TYPES = {
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.TXT: "text/plain; charset=utf-8",
    Format.MD: "text/markdown; charset=utf-8",
    Format.HOCR: "text/html; charset=utf-8",
    Format.ALTO: "application/xml",
    Format.PDF: "application/pdf",
}

_WRITERS: dict[Format, Callable[[], Writer]] = {
    Format.JSONL: JsonLines,
    Format.CSV: Csv,
    Format.TXT: PlainText,
    Format.MD: Markdown,
    Format.HOCR: Hocr,
    Format.ALTO: Alto,
}


def open_writer(kind: Format, open_pdf_image: OpenPdfImage) -> Writer:
    """A writer of one new document."""
    return Pdf(open_pdf_image) if kind is Format.PDF else _WRITERS[kind]()
