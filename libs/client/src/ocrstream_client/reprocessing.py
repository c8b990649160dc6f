"""`ocrstream reprocess` and `ocrstream diff`."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ocrstream_client.client import Client
from ocrstream_client.differences import Difference, difference
from ocrstream_client.models import Reprocessing, ResultVersion, ResultVersions, Selected
from ocrstream_client.terminal import (
    SOME_FAILED,
    AsJson,
    ImagesBar,
    notes,
    plural,
    print_json,
    printable,
)

_MANY = 100
"""More images than these are not reprocessed without asking."""


MaybeBatchId = Annotated[str | None, typer.Argument(metavar="BATCH", help="As `submit` printed it")]


def reprocess(
    batch_id: MaybeBatchId = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Of all batches, and images without one")
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            help="Which: confidence and min_confidence (mean and least of an image's boxes), boxes,"
            " run, age (30d, 12h), status (success, failed), reason, lane, engine (or unknown),"
            " version (3.10.1, of the engine), reader (2, of how workers read), warning;"
            " < <= > >= = != and, or, ( )"
        ),
    ] = None,
    lane: Annotated[
        str | None, typer.Option(help="Read on this lane, else each on that of the time before")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell how many images and boxes it is")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help=f"Do not ask, even for more than {_MANY} images")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until all are read, with a bar")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Reprocess images that have a result, only where it pays, and keep both results.

    For example, what it would be: ocrstream reprocess 3f0c… --where "confidence < 0.8" --dry-run

    By the workers of another lane: ocrstream reprocess 3f0c… --where "confidence < 0.8" --lane gpu

    Of everything, what no gpu has read: ocrstream reprocess --all --where
    "(min_confidence < 0.5 or reason = no_text) and lane != gpu" --lane gpu --yes --follow

    What older workers read: ocrstream reprocess --all --where "status = success and reader < 2"

    What changed: ocrstream diff 3f0c…
    """
    if (batch_id is None) != everything:
        raise typer.BadParameter("Give a BATCH, or else --all")
    with Client() as client:
        selected = client.count_reprocessing(batch_id, where=where)
        if dry_run:
            _tell_selected(selected, as_json=as_json)
            return
        _confirm(selected, yes=yes)
        asked = client.reprocess(batch_id, where=where, lane=lane)
        if follow:
            asked = _followed(client, asked, selected.images)
    _tell(asked, selected, follow=follow, as_json=as_json)
    if asked.failed_images:
        raise typer.Exit(SOME_FAILED)


def diff(
    batch_id: MaybeBatchId = None,
    *,
    image_path: Annotated[
        str | None,
        typer.Option("--image", metavar="PATH", help="Each time that this image was reprocessed"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an image")] = False,
) -> None:
    """Show what images said before they were reprocessed, and after.

    For example: ocrstream diff 3f0c…

    How sure both times: ocrstream diff 3f0c… --json | jq '[.old.confidence, .new.confidence]'

    One image, each time: ocrstream diff --image file:///scans/7.png
    """
    if (batch_id is None) == (image_path is None):
        raise typer.BadParameter("Give a BATCH, or else --image")
    shown = changed = waiting = failed = 0
    with Client() as client:
        for one in client.result_versions(batch_id=batch_id, image_path=image_path):
            found = None if one.new is None else difference(one.old.text, one.new.text)
            if as_json:
                print_json(_row(one, found))
            else:
                _print("\n".join(_lines(one, found)))
            shown += 1
            waiting += one.new is None
            changed += found is not None and bool(found.changes)
            failed += one.new is not None and not one.new.read
    notes.print(
        f"{plural(shown, 'reprocessed image')}: {changed} with another text, {failed} failed,"
        f" {waiting} not reprocessed yet"
    )
    if failed:
        raise typer.Exit(SOME_FAILED)


def _confirm(selected: Selected, *, yes: bool) -> None:
    """Ask before many are reprocessed; without a terminal, --yes is the answer."""
    if yes or selected.images <= _MANY:
        return
    what = f"{plural(selected.images)} with {plural(selected.boxes, 'box', 'boxes')}"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"this is about {what}: add --yes to reprocess them")
    typer.confirm(f"Reprocess {what}?", abort=True, err=True)


def _followed(client: Client, asked: Reprocessing, total: int) -> Reprocessing:
    done = 0
    with ImagesBar("reading", total) as bar:

        def show(seen: Reprocessing) -> None:
            nonlocal done
            bar.advance(seen.done_images - done)
            done = seen.done_images

        return client.wait_reprocessing(asked.request_id, on_progress=show)


def _tell_selected(selected: Selected, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(selected))
    else:
        _print(
            f"{plural(selected.images)} with {plural(selected.boxes, 'box', 'boxes')}"
            " would be reprocessed"
        )


def _tell(asked: Reprocessing, selected: Selected, *, follow: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(asked))
    elif follow:
        _print(
            f"{plural(asked.images)} reprocessed: {asked.read_images} read,"
            f" {asked.failed_images} failed or cancelled"
        )
    else:
        what = asked.batch_id or "--image PATH"
        notes.print(
            f"{plural(selected.images)} with {plural(selected.boxes, 'box', 'boxes')} are being"
            f" reprocessed; see: ocrstream diff {what}",
            markup=False,
            soft_wrap=True,
        )


def _row(one: ResultVersions, found: Difference | None) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(one).items() if name not in {"old", "new"}},
        "similarity": None if found is None else round(found.similarity, 4),
        "changes": None if found is None else found.changes,
        "old": _told_result_version(one.old),
        "new": None if one.new is None else _told_result_version(one.new),
    }


def _told_result_version(version: ResultVersion) -> dict[str, Any]:
    row = asdict(version)
    row["text_boxes"] = row.pop("boxes")
    return {**row, "confidence": version.confidence, "text": version.text}


def _lines(one: ResultVersions, found: Difference | None) -> Iterator[str]:
    name = Path(one.source_name or one.image_path).name
    page = "" if one.page is None else f", page {one.page}"
    before = _sure(one.old)
    if one.new is None or found is None:
        yield f"{name}{page}: {before}, not reprocessed yet"
        return
    alike = f"{100 * found.similarity:.0f} % alike"
    yield f"{name}{page}: {alike}, {before} -> {_sure(one.new)}"
    yield from found.changes


def _sure(version: ResultVersion) -> str:
    if version.confidence is None:
        return f"{version.reason or version.status}"
    return f"confidence {version.confidence:.3f}"


def _print(text: str) -> None:
    print("\n".join(map(printable, text.split("\n"))))  # noqa: T201
