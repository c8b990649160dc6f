"""`ocrstream search`: finds images by their text."""

from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.models import SearchHit
from ocrstream_client.tables import Column, Kind, Wrapped, print_table
from ocrstream_client.terminal import SOME_FAILED, notes, plural, print_json

_COLUMNS = (
    Column("file", Kind.NAME),
    Column("page", Kind.NUMBER),
    Column("batch", Kind.ID),
    Column("text", Kind.TEXT),
)


def search(
    text: Annotated[str, typer.Argument(help="The text to find, in any language; no wildcards")],
    *,
    words: Annotated[bool, typer.Option("--words", help="Match only at word boundaries")] = False,
    batch_id: Annotated[str | None, typer.Option("--batch", help="Search only this batch")] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Match only boxes with at least this confidence"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of images to show")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """Find images by their text, the newest first, regardless of case and character width.

    For example: ocrstream search "grand total" --min-confidence 0.8

    Exits with 1 if no image matches.
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
        has_more = len(shown) == limit and next(found, None) is not None
    if as_json:
        for hit in shown:
            print_json(asdict(hit))
    else:
        print_table(_COLUMNS, map(_cells, shown))
    if has_more:
        notes.print(f"there are more; show them with --limit {2 * limit}")
    if behind:
        notes.print(f"the search index lacks {plural(max(behind))} that arrived recently")
    if not shown:
        raise typer.Exit(SOME_FAILED)


def _cells(hit: SearchHit) -> list[str]:
    return [
        _printable(hit.source_name or hit.image_path),
        "" if hit.page is None else str(hit.page),
        hit.batch_id or "-",
        Wrapped(" / ".join(_printable(box.text) for box in hit.boxes)),
    ]


def _printable(text: str) -> str:
    """Returns the text for a terminal, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
