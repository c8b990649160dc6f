"""What to do about images that were not read."""

import shutil
from collections.abc import Callable, Iterator, Sequence

from ocrstream_client.models import BatchStatus, FailureGroup, Image
from ocrstream_client.tables import wrap
from ocrstream_client.terminal import notes, plural, printable

REMEDIES = {
    "no_text": "if the page has text, let another engine read it (docs/engines.md), then:"
    " ocrstream retry BATCH --include-no-text",
    "not_found": "put the file where its reference points to, then retry",
    "refused": "allow its folder or store in the workers' settings (OCRSTREAM_IMAGE_ROOTS,"
    " OCRSTREAM_OBJECT_STORES), then retry",
    "undecodable": "it is damaged, or of a kind that is not read: submit it again as PNG, JPEG,"
    " TIFF or PDF",
    "too_large": "submit it again in parts or with fewer pixels, or raise the limit that it names",
    "engine": "the engine failed: see the worker's log, then retry",
    "timeout": "retry it when the workers or the store are less busy",
    "revoked": "it was cancelled; a retry reads it",
    "dead_lettered": "its event could not be recorded: ocrstream dlq list --batch BATCH",
}
"""What to do, by the reason of a failure; `BATCH` stands for the batch's id."""

_SHOWN_REASONS = 5


def remedy(reason: str | None, batch_id: str) -> str:
    """Returns what to do about a failure; "" if the reason is not known."""
    return REMEDIES.get(reason or "", "").replace("BATCH", batch_id)


def explain(image: Image, batch_id: str) -> str:
    """Returns in one line why an image was not read, and what to do."""
    said = ": ".join(part for part in (image.reason, image.error) if part)
    to_do = remedy(image.reason, batch_id)
    return f"{said} -> {to_do}" if to_do else said


def print_failures(batch: BatchStatus, failures: Callable[[], Sequence[FailureGroup]]) -> None:
    """Says on standard error why images of an ended batch were not read, and what to do."""
    if batch.all_read:
        return
    width = shutil.get_terminal_size().columns if notes.is_terminal else None
    lines = [
        *describe(failures(), batch.batch_id, width),
        f"all of them: ocrstream results {batch.batch_id} --failed",
        f"retry them: ocrstream retry {batch.batch_id} --wait",
    ]
    for line in lines:
        notes.print(line, markup=False, soft_wrap=True)


def describe(
    groups: Sequence[FailureGroup], batch_id: str, width: int | None, *, most: int = _SHOWN_REASONS
) -> Iterator[str]:
    """Yields lines: each reason with its remedy and examples, not wider than `width`."""
    for group in groups[:most]:
        reason = group.reason or "no reason is known"
        to_do = remedy(group.reason, batch_id)
        headline = f"{plural(group.images)}: {reason}{f' -> {to_do}' if to_do else ''}"
        yield from wrap(printable(headline), width)
        for image in group.examples:
            name = image.source_name or image.image_path or image.chain_id
            page = "" if image.page is None else f", page {image.page}"
            said = f": {image.error}" if image.error else ""
            yield from wrap(printable(f"{name}{page}{said}"), width, indent="  ")
        if len(group.examples) < group.images:
            yield f"  … and {group.images - len(group.examples):,} more"
    if len(groups) > most:
        yield f"and {plural(len(groups) - most, 'other reason')}"
