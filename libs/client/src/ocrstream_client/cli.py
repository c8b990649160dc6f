"""`ocrstream`: submit images, see how far they are, read what they say.

Exit codes: 0 all read, 1 some failed, 2 usage, 3 the system could not be reached.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ocrstream_client import dead_letters
from ocrstream_client.addresses import find_addresses
from ocrstream_client.client import Batch, Client
from ocrstream_client.errors import NotSubmittable, OcrstreamError, Refused, Unreachable
from ocrstream_client.terminal import (
    SOME_FAILED,
    UNREACHABLE,
    USAGE,
    AsJson,
    notes,
    print_json,
)
from ocrstream_client.walk import find_files

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
app.add_typer(dead_letters.app, name="dlq")

_READERS = 8
_PREVIEW_LENGTH = 200


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSONL = "jsonl"


@app.command()
def submit(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files, folders, globs")],
    *,
    batch_name: Annotated[str | None, typer.Option(help="What to call the batch")] = None,
    by_reference: Annotated[
        bool,
        typer.Option(
            "--by-reference",
            help="Send where the images are instead of their bytes: local files as file:// (the"
            " workers must see the same path), and URLs as they are",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all are read")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit images as one batch."""
    with Client(find_addresses()) as client:
        if by_reference:
            references = _references(paths)
            with _bar("submitting", len(references)) as advance:
                batch_id = client.submit_references(
                    references, batch_name=batch_name, on_progress=advance
                )
            count = len(references)
        else:
            files = find_files(paths)
            with _bar("uploading", len(files)) as advance:
                batch_id = client.submit_files(files, batch_name=batch_name, on_progress=advance)
            count = len(files)
        notes.print(f"batch {batch_id}: {count} images submitted")
        if not wait:
            if as_json:
                print_json({"batch_id": batch_id, "total_images": count})
            else:
                notes.print(f"see how far it is: ocrstream status {batch_id}")
            return
        batch = _wait(client, batch_id, count)
    _print_batch(batch, as_json=as_json)
    _exit_for(batch)


@app.command()
def status(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH")], *, as_json: AsJson = False
) -> None:
    """Show how far a batch is."""
    with Client(find_addresses()) as client:
        batch = client.batch(batch_id)
    _print_batch(batch, as_json=as_json)
    _exit_for(batch)


@app.command()
def results(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH")],
    *,
    output_format: Annotated[
        Format, typer.Option("--format", help="jsonl has every box of every image")
    ] = Format.TABLE,
) -> None:
    """Print what was read, image by image."""
    with Client(find_addresses()) as client:
        rows = _with_boxes(client, client.images(batch_id))
        if output_format is Format.JSONL:
            for row in rows:
                print_json(row)
        else:
            _print_table(rows)
        batch = client.batch(batch_id)
    _exit_for(batch)


def main() -> None:
    """The command; what is in its way is said in one line."""
    try:
        app()
    except Unreachable as error:
        _end(error, UNREACHABLE)
    except Refused as error:
        _end(error, UNREACHABLE if error.status == 503 else USAGE)
    except BrokenPipeError:
        sys.exit(0)  # whoever read the output has seen enough
    except (OcrstreamError, OSError) as error:
        _end(error, USAGE)


def _end(error: Exception, code: int) -> None:
    notes.print(f"ocrstream: {error}", markup=False, soft_wrap=True)
    sys.exit(code)


def _references(paths: list[str]) -> list[str]:
    references: list[str] = []
    for path in paths:
        if "://" in path:
            references.append(path)
        else:
            references += [file.resolve().as_uri() for file in find_files([path])]
    if not references:
        raise NotSubmittable("There is nothing to submit")
    return references


class _bar:  # noqa: N801 - used as a function
    """A progress bar on standard error; its value advances it."""

    def __init__(self, what: str, total: int) -> None:
        self._progress = _progress()
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> "_bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, count: int) -> None:
        self._progress.advance(self._task, count)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=notes)


def _wait(client: Client, batch_id: str, count: int) -> Batch:
    with _progress() as progress:
        task = progress.add_task("reading", total=count)

        def show(batch: Batch) -> None:
            done = batch.completed_images + batch.failed_images + batch.revoked_images
            progress.update(task, completed=done, total=max(count, batch.total_images))

        return client.wait(batch_id, on_progress=show)


def _with_boxes(client: Client, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    def complete(row: dict[str, Any]) -> dict[str, Any]:
        boxes: list[Any] = []
        if row["status"] == "SUCCESS" and row["image_path"] is not None:
            boxes = client.image(row["image_path"])["text_boxes"]
        return {**row, "text_boxes": boxes}

    with ThreadPoolExecutor(_READERS) as readers:
        while some := list(islice(rows, 10 * _READERS)):
            yield from readers.map(complete, some)


def _print_table(rows: Iterator[dict[str, Any]]) -> None:
    table = Table(box=None, expand=True)
    for column in ("index", "image", "status", "boxes"):
        table.add_column(column, no_wrap=True)
    table.add_column("text or reason", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        text = " ".join(box["text"] for box in row["text_boxes"])
        if row["status"] != "SUCCESS" and row["reason"]:
            text = f"{row['reason']}: {row['error']}"
        name = row["source_name"] or row["image_path"] or row["chain_id"]
        table.add_row(
            "" if row["index"] is None else str(row["index"]),
            Path(name).name,
            row["status"],
            str(len(row["text_boxes"])),
            text[:_PREVIEW_LENGTH],
        )
    Console(highlight=False, markup=False).print(table)


def _print_batch(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(batch))
        return
    total = str(batch.total_images) if batch.total_known else "an unknown number of"
    print(  # noqa: T201
        f"batch {batch.batch_id}: {batch.status}, {batch.progress:.0f} % of {total} images:"
        f" {batch.completed_images} read, {batch.failed_images} failed,"
        f" {batch.revoked_images} cancelled"
    )


def _exit_for(batch: Batch) -> None:
    if batch.failed_images or batch.revoked_images:
        raise typer.Exit(SOME_FAILED)
