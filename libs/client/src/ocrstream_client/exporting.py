"""`ocrstream export`: exports a batch in other formats."""

import os
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from ocrstream_client.client import Client
from ocrstream_client.errors import OcrstreamError
from ocrstream_client.terminal import BatchId, exit_after_output, notes

_STDOUT = "-"
_UNSAFE = frozenset('/\\:*?"<>|')


class Format(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    TXT = "txt"
    MD = "md"
    HOCR = "hocr"
    ALTO = "alto"
    PDF = "pdf"
    ZIP = "zip"


class FileFormat(StrEnum):
    """The format of the files in a ZIP."""

    TXT = "txt"
    MD = "md"
    HOCR = "hocr"
    ALTO = "alto"
    PDF = "pdf"


def export(
    batch_id: BatchId,
    *,
    export_format: Annotated[
        Format, typer.Option("--format", "-f", help="pdf contains the images with searchable text")
    ] = Format.JSONL,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR|-",
            help="A file, which appears when it is complete; a folder, in which the file gets the"
            " batch's name; - for standard output",
        ),
    ] = _STDOUT,
    files: Annotated[
        list[FileFormat] | None,
        typer.Option("--files", help="For zip: the formats of its files; default txt, hocr, alto"),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="PATH", help="Export only this image_path")
    ] = None,
) -> None:
    """Export a batch as JSON Lines, CSV, text, Markdown, hOCR, ALTO, PDF or ZIP.

    For example, a searchable PDF: ocrstream export 3f0c… --format pdf -o letters.pdf

    A table: ocrstream export 3f0c… --format csv > letters.csv

    Text and PDF of each document: ocrstream export 3f0c… -f zip --files txt --files pdf -o exports/
    """
    if files and export_format is not Format.ZIP:
        raise typer.BadParameter("--files works only with --format zip")
    if image is not None and export_format is Format.ZIP:
        raise typer.BadParameter("--image does not work with --format zip")
    to_terminal = output == _STDOUT and sys.stdout.isatty()
    if to_terminal and export_format in {Format.PDF, Format.ZIP}:
        raise typer.BadParameter(f"a terminal cannot show {export_format}; name a file with -o")
    with Client() as client, _progress(quiet=to_terminal) as advance:
        batch = client.batch(batch_id)
        status = batch.status()
        with _open_output(
            _output_path(output, status.batch_name or batch_id, export_format)
        ) as write:

            def write_chunk(chunk: bytes) -> None:
                write(chunk)
                advance(len(chunk))

            batch.export(write_chunk, export_format, files=files or (), image_path=image)
    if image is None:
        exit_after_output(status)


def _output_path(output: str, name: str, export_format: Format) -> Path | None:
    if output == _STDOUT:
        return None
    path = Path(output)
    if not path.is_dir():
        return path
    safe_name = "".join("_" if one in _UNSAFE or not one.isprintable() else one for one in name)
    suffix = ".alto.xml" if export_format is Format.ALTO else f".{export_format}"
    return path / f"{safe_name.strip(' .')[:100] or 'export'}{suffix}"


@contextmanager
def _open_output(path: Path | None) -> Generator[Callable[[bytes], object]]:
    """Yields a function that writes to standard output, or to a file.

    The file appears under its name when it is complete.
    """
    if path is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():  # a pipe or device, which must not be replaced
        with path.open("wb") as file:
            yield file.write
        return
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - takes over the descriptor
            yield file.write
            file.flush()
            os.fsync(handle)
        # The mode of any new file, not that of a temporary file.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and not isinstance(error, OcrstreamError):
            raise _named(error, path) from error
        raise


def _named(error: OSError, path: Path) -> OSError:
    """Returns the error with the name of the output, of which the temporary file says nothing."""
    return OSError(error.errno, error.strerror, str(path))


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[int], object]]:
    """Shows the exported bytes on a terminal, unless the export itself goes there."""
    with Progress(
        TextColumn("exporting"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=notes,
        disable=quiet or not notes.is_terminal,
    ) as progress:
        task = progress.add_task("export", total=None)
        yield lambda count: progress.advance(task, count)
