"""`ocrstream cancel` and `ocrstream retry`."""

from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.failure_reasons import print_failures
from ocrstream_client.terminal import AsJson, BatchId, ImagesBar, batch_continues, notes, report


def cancel(batch_id: BatchId) -> None:
    """Cancel the unfinished images of a batch; the batch ends at once.

    Images that an engine already reads are finished and count. `retry` reads the others.

    For example: ocrstream cancel 3f0c…
    """
    with Client() as client:
        client.batch(batch_id).cancel()
    notes.print(f"batch {batch_id} is being cancelled", markup=False, soft_wrap=True)


def retry(
    batch_id: BatchId,
    *,
    include_no_text: Annotated[
        bool, typer.Option("--include-no-text", help="Retry images without text, too")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they are done")] = False,
    as_json: AsJson = False,
) -> None:
    """Retry a batch's failed and cancelled images.

    For example, when an object store is back: ocrstream retry 3f0c… --wait
    """
    with Client() as client:
        batch = client.batch(batch_id)
        batch.retry(include_no_text=include_no_text)
        notes.print(f"batch {batch_id} is being retried", markup=False, soft_wrap=True)
        if not wait:
            notes.print(f"see: ocrstream status {batch_id} --follow", markup=False, soft_wrap=True)
            return
        with batch_continues(batch_id), ImagesBar("reading", None) as bar:
            status = batch.wait(on_progress=bar.show)
        print_failures(status, batch.failures)
    report(status, as_json=as_json)
