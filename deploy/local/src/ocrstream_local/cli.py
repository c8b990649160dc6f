"""`ocrstream-local`: runs Kafka, PostgreSQL and the services here, without Docker or root."""

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
    """The OCR engine of the workers."""

    RAPIDOCR = "rapidocr"
    TESSERACT = "tesseract"
    DOCTR = "doctr"
    NOOP = "noop"


Workers = Annotated[int, typer.Option(min=0, max=MAX_WORKERS, help="Number of OCR workers")]
Readers = Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="Number of OCR workers")]
EngineOption = Annotated[Engine, typer.Option(help="OCR engine of the workers")]
Local = Annotated[Path, typer.Option(help="Folder of the stack's data, logs and state")]


@app.command()
def up(
    workers: Workers = 2, engine: EngineOption = Engine.RAPIDOCR, local: Local = Path(".local")
) -> None:
    """Start the stack, or the parts that do not run, in the background."""
    stack = Stack(Layout(local), PrintWithTime())
    try:
        addresses = stack.up(workers, engine)
    except StackError as error:
        raise stack.with_remaining(error, "make up") from error
    console.print(
        f"Up. {local / 'stack.env'} contains the addresses; stop the stack with: make down"
    )
    console.print(f"  {addresses['RECORDER_URL']} is the dashboard")
    for name in ("INGEST_URL", "RECORDER_URL"):
        console.print(f"  {addresses[name]}/docs")


@app.command()
def down(local: Local = Path(".local")) -> None:
    """Stop all processes of the stack; the data stays."""
    stopped = Stack(Layout(local), PrintWithTime()).down()
    console.print(f"Down: {stopped} processes stopped" if stopped else "Nothing was running")


@app.command()
def status(
    *,
    local: Local = Path(".local"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show the processes. Exits with 1 if a process has ended."""
    processes = Stack(Layout(local), PrintWithTime()).status().processes.values()
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
        bool, typer.Option("--once", help="Check the results, then stop everything")
    ] = False,
    local: Local = Path(".local"),
) -> None:
    """Start the stack, submit the sample images, show their text."""
    Demo(Layout(local), PrintWithTime(), console).run(workers, engine, once=once)


class PrintWithTime:
    """Prints lines to standard error, each with the seconds since the command began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        """Prints one line."""
        console.print(
            f"{time.monotonic() - self._began:5.1f} s  {line}", markup=False, soft_wrap=True
        )


def main() -> None:
    """Runs the command; prints an error without a traceback."""
    try:
        app()
    except StackError as error:
        # No line is wrapped, because users copy commands and addresses from the message.
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(1)
