"""`ocrstream`: submit images, follow their progress, get their text.

The command finds the system by INGEST_URL and RECORDER_URL, or else by `.local/stack.env` in this
folder or a parent, which `make up` writes. To find out what is wrong, run `ocrstream doctor`.

Exit codes: 0 all images were read, 1 some failed, 2 wrong usage, 3 the system does not answer.
"""

import sys

import typer

from ocrstream_client import (
    cancel_retry,
    dead_letters,
    doctor,
    exporting,
    reprocessing,
    searching,
    status_results,
    submitting,
    workers,
)
from ocrstream_client.errors import OcrstreamError, RefusedError, UnreachableError
from ocrstream_client.retrying import TEMPORARY_STATUSES
from ocrstream_client.terminal import UNREACHABLE, USAGE, notes

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for command in (
    submitting.submit,
    status_results.status,
    status_results.results,
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


def main() -> None:
    """Runs the command; prints an error in one line."""
    try:
        app()
    except UnreachableError as error:
        _end(error, UNREACHABLE)
    except RefusedError as error:
        _end(error, UNREACHABLE if error.status in TEMPORARY_STATUSES else USAGE)
    except BrokenPipeError:
        sys.exit(0)  # the reader of the output has closed it
    except (OcrstreamError, OSError) as error:
        _end(error, USAGE)


def _end(error: Exception, code: int) -> None:
    for line in (f"ocrstream: {error}", *getattr(error, "__notes__", ())):
        notes.print(line, markup=False, soft_wrap=True)
    sys.exit(code)
