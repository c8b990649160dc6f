"""`ocrstream`: submit images, follow their progress, get their text.

The command finds the system by INGEST_URL and RECORDER_URL, or else by `.local/stack.env` in this
folder or a parent, which `make up` writes. To find out what is wrong, run `ocrstream doctor`.

Exit codes: 0 all images were read, 1 some failed, 2 wrong usage, 3 the system does not answer.
"""

import os
import sys
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ocrstream_client import (
    batches,
    cancel_retry,
    dead_letters,
    doctor,
    exporting,
    failures,
    reprocessing,
    searching,
    status_results,
    submitting,
    workers,
)
from ocrstream_client.errors import OcrstreamError, RefusedError, UnreachableError
from ocrstream_client.retrying import TEMPORARY_STATUSES
from ocrstream_client.terminal import INTERRUPTED, UNREACHABLE, USAGE, notes


class Commands(TyperGroup):
    """The commands; it ends each with the documented exit code, and an error in one line."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command. Raises typer.Exit."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here, so that a closed pipe is seen below
        except BrokenPipeError:
            # Python would report the same at its exit, when it flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt as error:
            told = "; ".join(["interrupted", *getattr(error, "__notes__", ())])
            notes.print(f"ocrstream: {told}", markup=False, soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None
        except (OcrstreamError, OSError) as error:
            for line in (f"ocrstream: {_message(error)}", *getattr(error, "__notes__", ())):
                notes.print(line, markup=False, soft_wrap=True)
            raise typer.Exit(_exit_code(error)) from None


def _message(error: OcrstreamError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _exit_code(error: OcrstreamError | OSError) -> int:
    if isinstance(error, RefusedError):
        does_not_answer = error.status >= 500 or error.status in TEMPORARY_STATUSES
        return UNREACHABLE if does_not_answer else USAGE
    return UNREACHABLE if isinstance(error, UnreachableError) else USAGE


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for command in (
    submitting.submit,
    batches.batches,
    status_results.status,
    status_results.results,
    failures.failures,
    exporting.export,
    searching.search,
    cancel_retry.cancel,
    cancel_retry.retry,
    reprocessing.reprocess,
    reprocessing.diff,
    workers.workers,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(dead_letters.app, name="dlq")


def _print_version(value: bool) -> None:
    if value:
        print(f"ocrstream {version_of('ocrstream-client')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version"),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command."""
    app()
