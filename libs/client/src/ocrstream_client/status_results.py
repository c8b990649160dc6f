"""`ocrstream status` and `ocrstream results`."""

from collections.abc import Iterable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ocrstream_client.client import Client
from ocrstream_client.models import Image
from ocrstream_client.terminal import (
    AsJson,
    BatchId,
    ImagesBar,
    exit_after_output,
    print_json,
    printable,
    report,
)

_PREVIEW_LENGTH = 200


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSONL = "jsonl"


def status(
    batch_id: BatchId,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show progress until it has ended")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the status of a batch.

    For example, until it has ended: ocrstream status 3f0c… --follow

    For a program: ocrstream status 3f0c… --json | jq .progress
    """
    with Client() as client:
        batch = client.batch(batch_id)
        status = batch.status()
        if follow and not status.ended:
            with ImagesBar("reading", None) as bar:
                status = batch.wait(on_progress=bar.show)
    report(status, as_json=as_json)


def results(
    batch_id: BatchId,
    *,
    output_format: Annotated[
        Format, typer.Option("--format", help="jsonl contains every box of every image")
    ] = Format.TABLE,
    warning: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Only images with this warning: unreadable_script, low_confidence or small_text",
        ),
    ] = None,
) -> None:
    """Print the text of each image, and warnings that it may be wrong.

    For example, as a table: ocrstream results 3f0c…

    Images whose script the engine cannot read: ocrstream results 3f0c… --warning unreadable_script

    All texts: ocrstream results 3f0c… --format jsonl | jq -r '.text_boxes[].text'
    """
    with Client() as client:
        batch = client.batch(batch_id)
        images = batch.images(warning=warning)
        if output_format is Format.JSONL:
            for image in images:
                print_json(_row(image))
        else:
            _print_table(images)
        status = batch.status()
    exit_after_output(status)


def _row(image: Image) -> dict[str, Any]:
    row = asdict(image)
    row["text_boxes"] = row.pop("boxes")
    return row


def _print_table(images: Iterable[Image]) -> None:
    table = Table(box=None, expand=True)
    for column in ("index", "image", "status", "boxes"):
        table.add_column(column, no_wrap=True)
    table.add_column("(warnings) text, or reason", no_wrap=True, overflow="ellipsis", ratio=1)
    for image in images:
        text = image.text.replace("\n", " ")
        if not image.read and image.reason:
            text = f"{image.reason}: {image.error}"
        elif image.warnings:
            text = f"({printable(', '.join(image.warnings))}) {text}"
        name = image.source_name or image.image_path or image.chain_id
        table.add_row(
            "" if image.index is None else str(image.index),
            Path(name).name,
            image.status,
            str(len(image.boxes)),
            text[:_PREVIEW_LENGTH],
        )
    Console(highlight=False, markup=False).print(table)
