"""`ocrstream search`: which images have a text."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ocrstream_client.answers import SearchHit
from ocrstream_client.client import Client
from ocrstream_client.terminal import SOME_FAILED, notes, print_json, told


def search(
    text: Annotated[str, typer.Argument(help="What to look for, in any language, as it is")],
    *,
    words: Annotated[
        bool, typer.Option("--words", help="Only where it begins and ends with a word")
    ] = False,
    batch_id: Annotated[str | None, typer.Option("--batch", help="In this batch only")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only where it was read this surely")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most images to show")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
) -> None:
    """Find images by what they say, the newest first. Case and width make no difference.

    For example: ocrstream search "grand total" --min-confidence 0.8

    Ends with 1 if there is none.
    """
    behind: set[int] = set()
    with Client() as client:
        found = client.search(
            text,
            words=words,
            batch_id=batch_id,
            min_confidence=min_confidence,
            on_behind=behind.add,
        )
        shown = list(islice(found, limit))
        more = len(shown) == limit and next(found, None) is not None
    if as_json:
        for hit in shown:
            print_json(asdict(hit))
    else:
        _print_table(shown)
    if more:
        notes.print(f"and more; see them with --limit {2 * limit}")
    if behind:
        notes.print(f"not searched yet: {told(max(behind))} that came lately")
    if not shown:
        raise typer.Exit(SOME_FAILED)


def _print_table(hits: Iterable[SearchHit]) -> None:
    table = Table(box=None, expand=True)
    for column in ("file", "page", "batch"):
        table.add_column(column, no_wrap=True)
    table.add_column("text", overflow="fold", ratio=1)
    for hit in hits:
        page = "" if hit.page is None else str(hit.page)
        text = " / ".join(_printable(box.text) for box in hit.boxes)
        file = _printable(hit.source_name or hit.image_path)
        table.add_row(file, page, hit.batch_id or "-", text)
    Console(highlight=False, markup=False).print(table)


def _printable(text: str) -> str:
    """The text for a terminal: nothing in it may steer it."""
    return "".join(one if one.isprintable() else " " for one in text)
