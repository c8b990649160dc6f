"""What all commands share: exit codes, progress and notes on stderr, JSON on stdout."""

import json
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ocrstream_client.models import BatchStatus

SOME_FAILED, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130
_PLAIN_LINE_EVERY_PERCENT = 10

notes = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="As `submit` printed it")]


def print_json(value: dict[str, Any]) -> None:
    """Prints one line of JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False))  # noqa: T201


def report(batch: BatchStatus, *, as_json: bool) -> None:
    """Prints a batch's status on standard output; exits with 1 if an image was not read."""
    if as_json:
        print_json(asdict(batch))
    else:
        total = str(batch.total_images) if batch.total_known else "an unknown number of"
        print(  # noqa: T201
            f"batch {batch.batch_id}: {batch.status}, {batch.progress:.0f} % of {total} images:"
            f" {batch.completed_images} read, {batch.failed_images} failed,"
            f" {batch.revoked_images} cancelled"
        )
    exit_for(batch)


def exit_for(batch: BatchStatus) -> None:
    """Exits with 1 if an image failed or was cancelled."""
    if not batch.all_read:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def batch_continues(batch_id: str) -> Generator[None]:
    """Makes Ctrl-C tell that the batch continues, and how to follow it."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"batch {batch_id} continues: ocrstream status {batch_id} --follow")
        raise


def exit_after_output(batch: BatchStatus) -> None:
    """Like `exit_for`, and says on stderr why, and that the output is complete all the same."""
    if not batch.all_read:
        notes.print(
            f"The output is complete. The exit code is {SOME_FAILED} because of images of the batch"
            f" that were not read: {_not_read(batch)}.",
            soft_wrap=True,
        )
    exit_for(batch)


def _not_read(batch: BatchStatus) -> str:
    missing = [f"{batch.failed_images} failed"] if batch.failed_images else []
    missing += [f"{batch.revoked_images} cancelled"] if batch.revoked_images else []
    return ", ".join(missing)


class _Rate(ProgressColumn):
    """Shows images per second, over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")


class ImagesBar(AbstractContextManager["ImagesBar"]):
    """Shows how many images are done: a bar on a terminal, otherwise a line every 10 %.

    `total` is None if it is not known yet.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._printed_percent = 0
        self._progress = Progress(
            TextColumn("{task.description:9}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("[red]{task.fields[failed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=notes,
            disable=not notes.is_terminal,
        )
        self._task = self._progress.add_task(what, total=total, failed="")

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the bar and leaves it visible."""
        self._progress.stop()

    def advance(self, count: int) -> None:
        """Adds `count` images that are done."""
        self._show(self._done + count, self._total, "")

    def show(self, batch: BatchStatus) -> None:
        """Shows the progress of the batch."""
        total = batch.total_images if batch.total_known else None
        self._show(batch.done_images, total, _not_read(batch))

    def _show(self, done: int, total: int | None, missing: str) -> None:
        self._done, self._total = done, total
        self._progress.update(self._task, completed=done, total=total, failed=missing)
        percent = 100 * done // total if total else 0
        due = percent - self._printed_percent >= _PLAIN_LINE_EVERY_PERCENT
        if due and not notes.is_terminal:
            self._printed_percent = percent
            suffix = f", {missing}" if missing else ""
            notes.print(f"{self._what}: {done} of {total} images{suffix}")


def plural(count: int, noun: str = "image", plural_noun: str | None = None) -> str:
    """Returns `1 image` or `2 images`; an irregular noun needs `plural_noun`."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"


def printable(text: str) -> str:
    """Returns a line for a terminal, with control characters escaped."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )
