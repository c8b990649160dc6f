"""A batch as a ZIP: a folder for each format, with a file for each image or document.

A ZIP is written front to back, one member at a time, so each folder needs all images once more.
Memory holds the ZIP's directory alone, some hundred bytes a file.
"""

import json
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, cast

import msgspec

from ocrstream_recorder.export.formats import Format, OpenPdfImage, open_writer
from ocrstream_recorder.export.model import ExportImage, Heading, Writer
from ocrstream_recorder.export.tabular import description_of

_LONGEST_NAME_BYTES = 120
# Characters that a common file system refuses, or that a shell or spreadsheet interprets.
_UNSAFE = frozenset('/\\:*?"<>|$`')


def safe_name(name: str, default: str = "export") -> str:
    """A file name that any system accepts and that leads to no other folder."""
    kept = [
        "_" if mark in _UNSAFE or unicodedata.category(mark)[0] == "C" else mark
        for mark in unicodedata.normalize("NFC", name)
    ]
    text = "".join(kept).encode()[:_LONGEST_NAME_BYTES].decode("utf-8", "ignore")
    return text.strip(" .-~") or default


class _Zip(zipfile.ZipFile):
    def __del__(self) -> None:
        """Does not close the ZIP: an export that breaks off must not look complete."""


class _Output:
    """The output of the ZIP; without `tell` and `seek`, `zipfile` writes front to back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Archive:
    """Writes one ZIP. Each of its `writers` gets all images, one writer after the other."""

    def __init__(
        self,
        kinds: list[Format],
        open_pdf_image: OpenPdfImage,
        summary: Callable[[], Mapping[str, object]],
    ) -> None:
        """`summary` gives the content of `batch.json`; the archive calls it at the end."""
        output = _Output()
        zip_file = _Zip(cast("IO[bytes]", output), "w")
        folders = [_Folder(zip_file, output, kind, open_pdf_image) for kind in kinds]
        self.writers: list[Writer] = [*folders, _Manifest(zip_file, output, kinds, summary)]


class _Names:
    """Names the files of a folder by the number of their first image, so that names are unique."""

    def __init__(self) -> None:
        self._count = 0
        self._before: ExportImage | None = None
        self._name = ""

    def name(self, image: ExportImage) -> tuple[str, bool]:
        """The file of an image, without folder and suffix, and whether it is a new file.

        Consecutive pages of a document share a file.
        """
        self._count += 1
        before, self._before = self._before, image
        follows = (
            before is not None
            and before.page is not None
            and image.source_name is not None
            and (image.source_name, image.page) == (before.source_name, before.page + 1)
        )
        if not follows:
            self._name = f"{self._count:06d} {safe_name(image.name, 'image')}"
        return self._name, not follows


class _Folder:
    """The files of one format."""

    def __init__(
        self, zip_file: _Zip, output: _Output, kind: Format, open_pdf_image: OpenPdfImage
    ) -> None:
        self._zip = zip_file
        self._output = output
        self._kind = kind
        self._open_pdf_image = open_pdf_image
        self._names = _Names()
        self._file: tuple[IO[bytes], Writer] | None = None

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """Nothing: a folder begins with its first file."""
        yield from ()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """The image, in its own file or its document's."""
        name, new = self._names.name(image)
        if new:
            yield from self.end()
            member = _member(f"{self._kind}/{name}{self._kind.suffix}")
            # Only a PDF can reach 2 GiB; the length of a member is unknown when it begins.
            writer = open_writer(self._kind, self._open_pdf_image)
            opened = self._zip.open(member, "w", force_zip64=self._kind is Format.PDF)
            self._file = opened, writer
            heading = Heading(image.name, single=image.page is None)
            yield from self._written(writer.begin(heading))
        if self._file is not None:
            yield from self._written(self._file[1].add(image))

    def end(self) -> Iterator[bytes]:
        """The end of the last file."""
        if self._file is not None:
            opened, writer = self._file
            yield from self._written(writer.end())
            opened.close()
            self._file = None
            yield self._output.take()

    def _written(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        if self._file is not None:
            for piece in pieces:
                self._file[0].write(piece)
                yield self._output.take()


class _Manifest:
    """Writes `manifest.jsonl` with the files of each image, `batch.json`, and the ZIP's end."""

    def __init__(
        self,
        zip_file: _Zip,
        output: _Output,
        kinds: list[Format],
        summary: Callable[[], Mapping[str, object]],
    ) -> None:
        self._zip = zip_file
        self._output = output
        self._kinds = kinds
        self._summary = summary
        self._names = _Names()
        self._file: IO[bytes] | None = None

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The start of the manifest."""
        self._file = self._zip.open(_member("manifest.jsonl"), "w", force_zip64=True)
        yield self._output.take()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """The image's line of the manifest."""
        name, _ = self._names.name(image)
        files = {str(kind): f"{kind}/{name}{kind.suffix}" for kind in self._kinds}
        row = {**description_of(image), "boxes": len(image.boxes), "files": files}
        if self._file is not None:
            self._file.write(msgspec.json.encode(row) + b"\n")
        yield self._output.take()

    def end(self) -> Iterator[bytes]:
        """The summary and the ZIP's directory."""
        if self._file is not None:
            self._file.close()
        text = json.dumps(self._summary(), ensure_ascii=False, indent=2)
        self._zip.writestr(_member("batch.json"), f"{text}\n")
        self._zip.close()
        yield self._output.take()


def _member(name: str) -> zipfile.ZipInfo:
    # A constant time: equal rows give equal bytes.
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member
