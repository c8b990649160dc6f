"""`ocrstream export`: what was read, in other formats."""

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
from ocrstream_client.terminal import BatchId, exit_for, notes

_STDOUT = "-"
_UNSAFE = frozenset('/\\:*?"<>|')


class Format(StrEnum):
    """What a batch can be exported as."""

    JSONL = "jsonl"
    CSV = "csv"
    TXT = "txt"
    MD = "md"
    HOCR = "hocr"
    ALTO = "alto"
    PDF = "pdf"
    ZIP = "zip"


class FileFormat(StrEnum):
    """What the files of a ZIP can be."""

    TXT = "txt"
    MD = "md"
    HOCR = "hocr"
    ALTO = "alto"
    PDF = "pdf"


def export(
    batch_id: BatchId,
    *,
    export_format: Annotated[
        Format, typer.Option("--format", "-f", help="pdf shows the images, with text to search")
    ] = Format.JSONL,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR|-",
            help="A file, which is there only once it is whole; a folder, in which it is named"
            " after the batch; - for standard output",
        ),
    ] = _STDOUT,
    files: Annotated[
        list[FileFormat] | None,
        typer.Option(
            "--files", help="Of a zip: formats of its files; txt, hocr, alto if not given"
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="PATH", help="Only this image_path of it")
    ] = None,
) -> None:
    """Write what was read as JSON Lines, CSV, text, Markdown, hOCR, ALTO, PDF or ZIP.

    For example, a PDF to search in: ocrstream export 3f0c… --format pdf -o letters.pdf

    A table: ocrstream export 3f0c… --format csv > letters.csv

    Text and PDF of each document: ocrstream export 3f0c… -f zip --files txt --files pdf -o exports/
    """
    if files and export_format is not Format.ZIP:
        raise typer.BadParameter("--files goes only with --format zip")
    if image is not None and export_format is Format.ZIP:
        raise typer.BadParameter("--image goes not with --format zip")
    to_terminal = output == _STDOUT and sys.stdout.isatty()
    if to_terminal and export_format in {Format.PDF, Format.ZIP}:
        raise typer.BadParameter(f"a {export_format} is nothing for a terminal; name a file by -o")
    with Client() as client, _progress(quiet=to_terminal) as advance:
        batch = client.batch(batch_id)
        told = batch.status()
        with _written(_target(output, told.batch_name or batch_id, export_format)) as write:

            def take(piece: bytes) -> None:
                write(piece)
                advance(len(piece))

            batch.export(take, export_format, files=files or (), image_path=image)
    if image is None:
        exit_for(told)


def _target(output: str, name: str, export_format: Format) -> Path | None:
    if output == _STDOUT:
        return None
    path = Path(output)
    if not path.is_dir():
        return path
    kept = "".join("_" if one in _UNSAFE or not one.isprintable() else one for one in name)
    ending = ".alto.xml" if export_format is Format.ALTO else f".{export_format}"
    return path / f"{kept.strip(' .')[:100] or 'export'}{ending}"


@contextmanager
def _written(path: Path | None) -> Generator[Callable[[bytes], object]]:
    """Where to write: standard output, or a file that takes its name once it is whole."""
    if path is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():  # a pipe or device is not to be replaced
        with path.open("wb") as file:
            yield file.write
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - takes over the descriptor
            yield file.write
            file.flush()
            os.fsync(handle)
        # As any new file's, not as those of secrets.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[int], object]]:
    """A count of bytes on a terminal, if that is not where they go."""
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
