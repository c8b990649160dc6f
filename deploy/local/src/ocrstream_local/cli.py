"""`ocrstream-local`: Kafka, PostgreSQL and the services on this machine, without Docker or root."""

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ocrstream_local.demo import Demo
from ocrstream_local.errors import StackError
from ocrstream_local.stack import MAX_WORKERS, Layout, Stack

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
console = Console(stderr=True, highlight=False)


class Engine(StrEnum):
    """What reads the images."""

    RAPIDOCR = "rapidocr"
    TESSERACT = "tesseract"
    DOCTR = "doctr"
    NOOP = "noop"


Workers = Annotated[int, typer.Option(min=0, max=MAX_WORKERS, help="How many OCR workers")]
Readers = Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="How many OCR workers")]
EngineOption = Annotated[Engine, typer.Option(help="What reads the images")]
Local = Annotated[Path, typer.Option(help="Folder that everything is kept in")]


@app.command()
def up(
    workers: Workers = 2, engine: EngineOption = Engine.RAPIDOCR, local: Local = Path(".local")
) -> None:
    """Start the stack in the background, or what of it does not run."""
    stack = Stack(Layout(local), SayWithTime())
    try:
        addresses = stack.up(workers, engine)
    except StackError as error:
        raise stack.what_stays(error, "make up") from error
    console.print(f"Up. Addresses are in {local / 'stack.env'}; stop with: make down")
    console.print(f"  {addresses['RECORDER_URL']} is the dashboard")
    for name in ("INGEST_URL", "RECORDER_URL"):
        console.print(f"  {addresses[name]}/docs")


@app.command()
def down(local: Local = Path(".local")) -> None:
    """Stop all that was started here; data stays."""
    stopped = Stack(Layout(local), SayWithTime()).down()
    console.print(f"Down: {stopped} processes stopped" if stopped else "Nothing was running")


@app.command()
def status(
    *,
    local: Local = Path(".local"),
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Show the processes. Exits with 1 if one that was started does not run."""
    processes = Stack(Layout(local), SayWithTime()).status().processes.values()
    rows = [
        {
            "name": process.name,
            "state": "running" if process.running else "ended",
            "pid": process.pid,
            "port": process.port,
            "uptime_s": round(process.uptime_s) if process.running else None,
            "log": process.log,
        }
        for process in processes
    ]
    if as_json:
        print(json.dumps(rows))  # noqa: T201
    elif not rows:
        console.print("Nothing was started; start with: make up")
    else:
        table = Table(*rows[0], box=None)
        for row in rows:
            table.add_row(*(str("" if value is None else value) for value in row.values()))
        Console(highlight=False).print(table)
    if any(row["state"] == "ended" for row in rows):
        raise typer.Exit(1)


@app.command()
def demo(
    *,
    workers: Readers = 2,
    engine: EngineOption = Engine.RAPIDOCR,
    once: Annotated[
        bool, typer.Option("--once", help="Check the results, stop everything and end")
    ] = False,
    local: Local = Path(".local"),
) -> None:
    """Start the stack, read the sample images, show what was read."""
    Demo(Layout(local), SayWithTime(), console).run(workers, engine, once=once)


class SayWithTime:
    """Prints lines to standard error, each with how long the command has been at work."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        """Print one line."""
        console.print(
            f"{time.monotonic() - self._began:5.1f} s  {line}", markup=False, soft_wrap=True
        )


def main() -> None:
    """The command; what is in its way is said without a traceback."""
    try:
        app()
    except StackError as error:
        # Commands and addresses in it are to be copied: no line is broken.
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(1)
