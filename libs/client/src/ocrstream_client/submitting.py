"""`ocrstream submit`: submits files, folders, globs, lists and prefixes as one batch."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from ocrstream_client.addresses import find_addresses
from ocrstream_client.client import Batch, Client
from ocrstream_client.errors import (
    NotSubmittableError,
    OcrstreamError,
    RefusedError,
    UnreachableError,
)
from ocrstream_client.failure_reasons import print_failures
from ocrstream_client.file_search import MAX_FILES, LocalFile
from ocrstream_client.folder_watch import watch_folders
from ocrstream_client.models import RefusedFile
from ocrstream_client.submission import Source, resolve, with_lane
from ocrstream_client.terminal import (
    SOME_FAILED,
    AsJson,
    ImagesBar,
    batch_continues,
    notes,
    plural,
    print_json,
    printable,
    report,
)
from ocrstream_client.watch_state import FileVersion, WatchState, default_state_file

_STDIN = "-"
_Send = Callable[[str, list[Path]], None]
_MAX_ADVISED_LENGTH = 2000
_MAX_LEFT_OUT_NAMED = 5
_WATCH_TRIES = 3
_TEMPORARY_CLIENT_ERRORS = frozenset({408, 409, 429})
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
    batch_id: Annotated[
        str | None,
        typer.Option(
            help="Id of the batch. With the id of a submission that broke off, the same command"
            " continues it and submits nothing twice",
        ),
    ] = None,
    by_reference: Annotated[
        bool,
        typer.Option(
            "--by-reference",
            help="Send file:// references of local files instead of uploads; the workers must see"
            " the same path. URLs are always references",
        ),
    ] = False,
    lane: Annotated[
        str | None, typer.Option(help="Lane of the images: default, urgent or gpu")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An option of the batch, like boxes=word, reuse=true or"
            " deadline=2030-01-31T18:00:00Z; a value is JSON or else text",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the batch has ended")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Also submit files that arrive in the folders later, until Ctrl-C; files that are"
            " complete at the same time form a batch. A restart submits no file again",
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
    options = with_lane(_parse_options(option or []), lane)
    if watch:
        if wait or batch_id is not None or _STDIN in names:
            raise typer.BadParameter("--watch excludes --wait, --batch-id and -")
        _watch(names, batch_name, options, by_reference=by_reference, as_json=as_json)
        return
    names = [one for name in names for one in (_read_names() if name == _STDIN else [name])]
    batch_id = batch_id or str(uuid4())
    with Client() as client:
        with _advice_to_continue(batch_id, as_json=as_json):
            batch, count, refused = _submit(
                client, names, batch_id, batch_name, options, by_reference=by_reference
            )
        if not wait:
            _print_submitted(batch, count, refused, as_json=as_json)
            if refused:
                raise typer.Exit(SOME_FAILED)
            return
        with batch_continues(batch_id), ImagesBar("reading", count) as bar:
            status = batch.wait(on_progress=bar.show)
        print_failures(status, batch.failures)
    report(status, as_json=as_json)


def _submit(
    client: Client,
    names: Sequence[Source],
    batch_id: str,
    batch_name: str | None,
    options: Mapping[str, Any] | None,
    *,
    by_reference: bool,
) -> tuple[Batch, int, int]:
    """Returns the batch, how many names it has, and how many of their files were refused."""
    resolved = resolve(names, by_reference=by_reference)
    total = resolved.total
    what = "images" if total is None else plural(total)
    notes.print(f"batch {batch_id}: submitting {what}", markup=False, soft_wrap=True)
    if resolved.left_out:
        line = printable(_left_out(resolved.left_out))
        notes.print(line, markup=False, soft_wrap=True)
    accepted: list[int] = []
    refused: list[str] = []
    with ImagesBar("sending", total) as bar:

        def advance(count: int) -> None:
            accepted.append(count)
            bar.advance(count)

        def name_refused(file: RefusedFile) -> None:
            refused.append(file.source_name)
            line = printable(f"refused: {file.source_name}: {file.reason}: {file.error}")
            notes.print(line, markup=False, soft_wrap=True)

        batch = client.submit(
            names,
            batch_id=batch_id,
            batch_name=batch_name,
            by_reference=by_reference,
            options=options,
            pdf_password=os.environ.get(_PDF_PASSWORD),
            on_progress=advance,
            on_refused=name_refused,
        )
    failed = f", {len(refused):,} of them refused" if refused else ""
    notes.print(
        f"batch {batch.batch_id}: {plural(sum(accepted))} submitted{failed}",
        markup=False,
        soft_wrap=True,
    )
    return batch, sum(accepted), len(refused)


def _left_out(files: Sequence[Path]) -> str:
    named = ", ".join(str(file) for file in files[:_MAX_LEFT_OUT_NAMED])
    more = ", …" if len(files) > _MAX_LEFT_OUT_NAMED else ""
    return f"left out {plural(len(files), 'file')} without the name of an image: {named}{more}"


@contextmanager
def _advice_to_continue(batch_id: str, *, as_json: bool) -> Generator[None]:
    """Tells how to continue the submission if it breaks off for a cause that may pass."""
    try:
        yield
    except (OcrstreamError, OSError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or _may_pass(error):
            error.add_note(_how_to_continue(batch_id))
        if as_json and not isinstance(error, NotSubmittableError):
            print_json({"batch_id": batch_id, "error": str(error) or "interrupted"})
        raise


def _may_pass(error: OcrstreamError | OSError) -> bool:
    if isinstance(error, RefusedError):
        return error.status in _TEMPORARY_CLIENT_ERRORS or error.status >= 500
    return isinstance(error, UnreachableError | OSError)


def _how_to_continue(batch_id: str) -> str:
    arguments = sys.argv[1:]
    if not any(argument.startswith("--batch-id") for argument in arguments):
        arguments = [*arguments, "--batch-id", batch_id]
    command = shlex.join(["ocrstream", *arguments])
    if len(command) > _MAX_ADVISED_LENGTH:
        command = f"the same command with --batch-id {shlex.quote(batch_id)}"
    return f"batch {batch_id} is incomplete; to continue it: {command}"


def _print_submitted(batch: Batch, count: int, refused: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"batch_id": batch.batch_id, "total_images": count, "refused_images": refused})
    else:
        notes.print(
            f"follow it with: ocrstream status {batch.batch_id} --follow",
            markup=False,
            soft_wrap=True,
        )


def _watch(
    names: list[str],
    batch_name: str | None,
    options: Mapping[str, Any] | None,
    *,
    by_reference: bool,
    as_json: bool,
) -> None:
    folders = [Path(name).absolute() for name in names]
    for folder in folders:
        if not folder.is_dir():
            raise NotSubmittableError(f"{folder} is not a folder; --watch needs folders")
    addresses = find_addresses()
    state_file = default_state_file()
    with Client(addresses) as client, WatchState(state_file, addresses.ingest_url) as state:

        def send(batch_id: str, files: list[Path]) -> None:
            found = [_named_in(file, folders) for file in files]
            batch, *counts = _submit(
                client, found, batch_id, batch_name, options, by_reference=by_reference
            )
            state.finish(batch_id)
            _print_submitted(batch, *counts, as_json=as_json)
            sys.stdout.flush()

        known = state.submitted(folders)
        notes.print(
            f"watching {', '.join(names)}; press Ctrl-C to stop"
            + (f"; {state_file} names {plural(len(known), 'file')} submitted before" * bool(known)),
            markup=False,
            soft_wrap=True,
        )
        try:
            for batch_id, files in state.interrupted(folders).items():
                _continue(state, batch_id, files, send)
            for found in watch_folders(folders, state.submitted(folders)):
                _submit_found(state, found, send)
        except KeyboardInterrupt:
            notes.print("stopped watching")


def _named_in(file: Path, folders: Sequence[Path]) -> LocalFile:
    return LocalFile.found_in(file, next(one for one in folders if file.is_relative_to(one)))


def _submit_found(state: WatchState, found: Mapping[Path, FileVersion], send: _Send) -> None:
    for _ in range(_WATCH_TRIES):
        files = {file: version for file, version in found.items() if file.is_file()}
        if not files:
            return
        batch_id = str(uuid4())
        state.begin(batch_id, files)
        try:
            send(batch_id, list(files))
        except NotSubmittableError:
            state.forget(batch_id)  # a file has been removed since, and none was sent
        else:
            return


def _continue(state: WatchState, batch_id: str, files: list[Path], send: _Send) -> None:
    """Continues the batch that a watcher was submitting when it ended.

    If its files have changed or are gone, those that are there become part of another batch.
    """
    try:
        send(batch_id, files)
    except (NotSubmittableError, RefusedError) as error:
        if _may_pass(error):
            raise
        state.forget(batch_id)
        notes.print(
            f"batch {batch_id} cannot be completed, cancel it: {error}",
            markup=False,
            soft_wrap=True,
        )


def _parse_options(options: Sequence[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for option in options:
        key, sign, value = option.partition("=")
        if not (key and sign):
            raise typer.BadParameter(f"--option {option}: give KEY=VALUE, like boxes=word")
        if key in parsed:
            raise typer.BadParameter(f"--option {key} is given twice")
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


def _read_names() -> list[str]:
    lines = [line.rstrip("\r\n") for line in islice(sys.stdin, MAX_FILES + 1)]
    if len(lines) > MAX_FILES:
        raise NotSubmittableError(f"More than {MAX_FILES:,} names; submit them in parts")
    return [line for line in lines if line]
