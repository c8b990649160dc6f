"""`ocrstream failures`: why images of a batch were not read, and what to do."""

from dataclasses import asdict
from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.failure_reasons import describe
from ocrstream_client.tables import output_width
from ocrstream_client.terminal import BatchId, exit_for, notes, print_json


def failures(
    batch_id: BatchId,
    *,
    examples: Annotated[
        int, typer.Option(min=0, max=20, help="Maximum number of images to show for each reason")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """Show why images of a batch failed or were cancelled, and what to do about it.

    For example: ocrstream failures 3f0c…

    All images that failed: ocrstream results 3f0c… --failed
    """
    with Client() as client:
        batch = client.batch(batch_id)
        status = batch.status()
        groups = batch.failures(examples=examples)
    if as_json:
        for group in groups:
            print_json(asdict(group))
    else:
        for line in describe(groups, batch_id, output_width(), most=len(groups)):
            print(line)  # noqa: T201
        if not groups:
            notes.print("no image has failed")
    exit_for(status)
