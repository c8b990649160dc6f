"""`ocrstream cancel` and `ocrstream retry`."""

from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.terminal import AsJson, BatchId, ImagesBar, notes, report


def cancel(batch_id: BatchId) -> None:
    """Cancel what is not finished of a batch; it ends at once.

    What an engine has in hand is finished and counts. `retry` reads the others after all.

    For example: ocrstream cancel 3f0c…
    """
    with Client() as client:
        client.batch(batch_id).cancel()
    notes.print(f"batch {batch_id} is being cancelled", markup=False, soft_wrap=True)


def retry(
    batch_id: BatchId,
    *,
    include_no_text: Annotated[
        bool, typer.Option("--include-no-text", help="Read those again that hold no text, too")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Go on until they are done")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a batch's failed and cancelled images again.

    For example, once the store that was away is back: ocrstream retry 3f0c… --wait
    """
    with Client() as client:
        batch = client.batch(batch_id)
        batch.retry(include_no_text=include_no_text)
        notes.print(f"batch {batch_id} is being tried again", markup=False, soft_wrap=True)
        if not wait:
            notes.print(f"see: ocrstream status {batch_id} --follow", markup=False, soft_wrap=True)
            return
        with ImagesBar("reading", None) as bar:
            told = batch.wait(on_progress=bar.show)
    report(told, as_json=as_json)
