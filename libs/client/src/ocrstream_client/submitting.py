"""`ocrstream submit`: submits files, folders, globs, lists and prefixes as one batch."""

import os
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ocrstream_client.client import Batch, Client
from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.file_search import MAX_FILES
from ocrstream_client.folder_watch import watch_folders
from ocrstream_client.submission import resolve
from ocrstream_client.terminal import (
    AsJson,
    ImagesBar,
    notes,
    plural,
    print_json,
    report,
)

_STDIN = "-"
# Not an option, because everybody on the machine sees the arguments of a process.
_PDF_PASSWORD = "OCRSTREAM_PDF_PASSWORD"  # noqa: S105 - the variable's name


def submit(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME…",
            help="Files, folders, globs, URLs; a prefix or glob of a store, like"
            " s3://bucket/scans/; - reads names from standard input, one per line",
        ),
    ],
    *,
    batch_name: Annotated[str | None, typer.Option(help="Name of the batch")] = None,
    by_reference: Annotated[
        bool,
        typer.Option(
            "--by-reference",
            help="Send file:// references of local files instead of uploads; the workers must see"
            " the same path. URLs are always references",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the batch has ended")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Also submit files that arrive in the folders later, until Ctrl-C; files that are"
            " complete at the same time form a batch",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit images as one batch.

    For example: ocrstream submit ~/scans --wait

    A glob, by reference: ocrstream submit '/data/scans/**/*.png' --by-reference

    A store: ocrstream submit 's3://bucket/scans/*.png'

    A list: find . -newer last -name '*.png' | ocrstream submit -

    A folder, as it fills: ocrstream submit ~/inbox --watch

    The variable OCRSTREAM_PDF_PASSWORD is the password of the PDFs that one protects.
    """
    if watch:
        if wait or _STDIN in names:
            raise typer.BadParameter("--watch excludes --wait and -")
        _watch(names, batch_name, by_reference=by_reference, as_json=as_json)
        return
    names = [one for name in names for one in (_read_names() if name == _STDIN else [name])]
    with Client() as client:
        batch, count = _submit(client, names, batch_name, by_reference=by_reference)
        if not wait:
            _print_submitted(batch, count, as_json=as_json)
            return
        with ImagesBar("reading", count) as bar:
            status = batch.wait(on_progress=bar.show)
    report(status, as_json=as_json)


def _submit(
    client: Client, names: list[str], batch_name: str | None, *, by_reference: bool
) -> tuple[Batch, int]:
    total = resolve(names, by_reference=by_reference).total
    accepted: list[int] = []
    with ImagesBar("sending", total) as bar:

        def advance(count: int) -> None:
            accepted.append(count)
            bar.advance(count)

        batch = client.submit(
            names,
            batch_name=batch_name,
            by_reference=by_reference,
            pdf_password=os.environ.get(_PDF_PASSWORD),
            on_progress=advance,
        )
    notes.print(
        f"batch {batch.batch_id}: {plural(sum(accepted))} submitted", markup=False, soft_wrap=True
    )
    return batch, sum(accepted)


def _print_submitted(batch: Batch, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"batch_id": batch.batch_id, "total_images": count})
    else:
        notes.print(
            f"follow it with: ocrstream status {batch.batch_id} --follow",
            markup=False,
            soft_wrap=True,
        )


def _watch(names: list[str], batch_name: str | None, *, by_reference: bool, as_json: bool) -> None:
    folders = [Path(name) for name in names]
    for folder in folders:
        if not folder.is_dir():
            raise NotSubmittableError(f"{folder} is not a folder; --watch needs folders")
    notes.print(f"watching {', '.join(names)}; press Ctrl-C to stop", markup=False, soft_wrap=True)
    with Client() as client:
        try:
            for files in watch_folders(folders):
                batch, count = _submit(
                    client, [str(file) for file in files], batch_name, by_reference=by_reference
                )
                _print_submitted(batch, count, as_json=as_json)
                sys.stdout.flush()
        except KeyboardInterrupt:
            notes.print("stopped watching")


def _read_names() -> list[str]:
    lines = [line.rstrip("\r\n") for line in islice(sys.stdin, MAX_FILES + 1)]
    if len(lines) > MAX_FILES:
        raise NotSubmittableError(f"More than {MAX_FILES:,} names; submit them in parts")
    return [line for line in lines if line]
