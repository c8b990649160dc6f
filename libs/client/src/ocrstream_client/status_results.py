"""`ocrstream status` and `ocrstream results`."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from ocrstream_client.client import Client
from ocrstream_client.failure_reasons import explain, print_failures
from ocrstream_client.models import Image
from ocrstream_client.tables import Column, Kind, Wrapped, print_table
from ocrstream_client.terminal import (
    AsJson,
    BatchId,
    ImagesBar,
    batch_continues,
    exit_after_output,
    print_json,
    report,
)

_PREVIEW_LENGTH = 200
_COLUMNS = (
    Column("index", Kind.NUMBER),
    Column("image", Kind.NAME),
    Column("status"),
    Column("boxes", Kind.NUMBER),
    Column("(warnings) text, or reason", Kind.TEXT),
)


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
            with batch_continues(batch_id), ImagesBar("reading", None) as bar:
                status = batch.wait(on_progress=bar.show)
        if status.ended:
            print_failures(status, batch.failures)
    report(status, as_json=as_json)


def results(
    batch_id: BatchId,
    *,
    output_format: Annotated[
        Format, typer.Option("--format", help="jsonl contains every box of every image")
    ] = Format.TABLE,
    failed: Annotated[bool, typer.Option("--failed", help="Only images that failed")] = False,
    warning: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Only images with this warning: unreadable_script, low_confidence, small_text or"
            " reduced_resolution",
        ),
    ] = None,
) -> None:
    """Print the text of each image, and warnings that it may be wrong.

    For example, as a table: ocrstream results 3f0c…

    What failed, why, and what to do: ocrstream results 3f0c… --failed

    Images whose script the engine cannot read: ocrstream results 3f0c… --warning unreadable_script

    All texts: ocrstream results 3f0c… --format jsonl | jq -r '.text_boxes[].text'
    """
    with Client() as client:
        batch = client.batch(batch_id)
        images = batch.images(warning=warning, status="FAILURE" if failed else None)
        if output_format is Format.JSONL:
            for image in images:
                print_json(_row(image))
        else:
            print_table(_COLUMNS, (_cells(image, batch_id) for image in images))
        status = batch.status()
    exit_after_output(status)


def _row(image: Image) -> dict[str, Any]:
    row = asdict(image)
    row["text_boxes"] = row.pop("boxes")
    return row


def _cells(image: Image, batch_id: str) -> list[str]:
    text = image.text.replace("\n", " ")[:_PREVIEW_LENGTH]
    if not image.read and image.reason:
        text = Wrapped(explain(image, batch_id))
    elif image.warnings:
        text = f"({', '.join(image.warnings)}) {text}"
    page = "" if image.page is None else f" p. {image.page}"
    return [
        "" if image.index is None else str(image.index),
        (image.source_name or image.image_path or image.chain_id) + page,
        image.status,
        str(len(image.boxes)),
        text,
    ]
