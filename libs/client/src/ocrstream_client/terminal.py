"""What all commands share: exit codes, where notes go, output for programs."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

SOME_FAILED, USAGE, UNREACHABLE = 1, 2, 3

notes = Console(stderr=True, highlight=False)

AsJson = Annotated[
    bool, typer.Option("--json", help="Last line of output is one JSON object, for programs")
]


def print_json(value: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False))  # noqa: T201
