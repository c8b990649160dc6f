"""`make engine-up` and `make engine-down`: a Docker engine for the tests that need one."""

import sys

import typer
from rich.console import Console

from container_engine.command import Engine
from ocrstream_local.cli import PrintWithTime
from ocrstream_local.errors import StackError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)


@app.command()
def up() -> None:
    """Take the engine that is set up, else start one; have the images that tests start from."""
    Engine(PrintWithTime()).up()


@app.command()
def down() -> None:
    """Stop the engine that `up` has started, and nothing else; its images stay in the cache."""
    Engine(PrintWithTime()).down()


if __name__ == "__main__":
    try:
        app()
    except StackError as error:
        Console(stderr=True, highlight=False).print(
            str(error), style="red", markup=False, soft_wrap=True
        )
        sys.exit(1)
