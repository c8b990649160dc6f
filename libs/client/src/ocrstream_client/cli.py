"""`ocrstream`: submit images, see how far they are, read what they say.

The system is found by INGEST_URL and RECORDER_URL, else by `.local/stack.env` in this folder or one
above, which `make up` writes. What is wrong with it, and what to do: `ocrstream doctor`.

Exit codes: 0 all read, 1 some failed, 2 usage, 3 the system could not be reached.
"""

import sys

import typer

from ocrstream_client import (
    changing,
    dead_letters,
    doctor,
    exporting,
    reading,
    reprocessing,
    searching,
    submitting,
    workers,
)
from ocrstream_client.errors import OcrstreamError, Refused, Unreachable
from ocrstream_client.terminal import UNREACHABLE, USAGE, notes

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for command in (
    submitting.submit,
    reading.status,
    reading.results,
    exporting.export,
    searching.search,
    changing.cancel,
    changing.retry,
    reprocessing.reprocess,
    reprocessing.diff,
    workers.workers,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(dead_letters.app, name="dlq")


def main() -> None:
    """The command; what is in its way is said in one line."""
    try:
        app()
    except Unreachable as error:
        _end(error, UNREACHABLE)
    except Refused as error:
        _end(error, UNREACHABLE if error.status in {429, 502, 503, 504} else USAGE)
    except BrokenPipeError:
        sys.exit(0)  # whoever read the output has seen enough
    except (OcrstreamError, OSError) as error:
        _end(error, USAGE)


def _end(error: Exception, code: int) -> None:
    notes.print(f"ocrstream: {error}", markup=False, soft_wrap=True)
    sys.exit(code)
