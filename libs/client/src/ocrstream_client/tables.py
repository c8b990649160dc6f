"""Tables for people: they fit a terminal of any width, and are whole and plain without one."""

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from ocrstream_client.terminal import notes, printable

_GAP = 2
_SHORT_ID = 8
_MIN_TEXT = 24
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Kind(Enum):
    """How the cells of a column get narrower."""

    FIXED = "fixed"
    """Never."""
    NUMBER = "number"
    """Never; they stand at the right."""
    ID = "id"
    """Whole or short: part of an id is of no use."""
    NAME = "name"
    """Their middle is left out."""
    TEXT = "text"
    """Their end is left out, unless they are `Wrapped`."""


@dataclass(frozen=True)
class Column:
    """A column of a table; `least_name` is the least width of a long name in it."""

    heading: str
    kind: Kind = Kind.FIXED
    least_name: int = 16


class Wrapped(str):
    """A text that continues on further lines instead of losing its end."""

    __slots__ = ()


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Prints the rows on standard output; says on standard error if it had to shorten ids."""
    lines, shortened = render_table(columns, list(rows), output_width())
    for line in lines:
        print(line)  # noqa: T201
    if shortened:
        notes.print("the terminal is too narrow for whole ids; in a pipe they are whole")


def output_width() -> int | None:
    """Returns the width of the terminal at standard output, None without a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def render_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[str], bool]:
    """Returns the table's lines, and whether ids were shortened.

    No line is wider than `width`. A table that cannot be as narrow has a line for each cell.
    """
    cells = [[type(cell)(printable(cell)) for cell in row] for row in rows]
    natural = [
        max(cell_len(text) for text in (column.heading, *(row[number] for row in cells)))
        for number, column in enumerate(columns)
    ]
    widths = natural if width is None else _fit(columns, natural, width)
    if width is not None and widths is None:
        return list(_blocks(columns, cells, width)), False
    assert widths is not None  # noqa: S101 - without a width they are the natural ones
    shortened = any(
        column.kind is Kind.ID and available < wanted
        for column, available, wanted in zip(columns, widths, natural, strict=True)
    )
    heading = [column.heading for column in columns]
    lines = [line for row in (heading, *cells) for line in _row_lines(columns, row, widths)]
    return lines, shortened


def wrap(text: str, width: int | None, indent: str = "") -> list[str]:
    """Returns the text's lines, each indented and not wider than `width`; all in one for None."""
    if width is None:
        return [indent + text]
    room = max(width - cell_len(indent), 1)
    wrapped = Text(text).wrap(Console(width=room), room)
    return [indent + line.plain.rstrip() for line in wrapped]


def shorten_middle(text: str, width: int) -> str:
    """Returns the text without its middle if it is wider than `width`; its end says most."""
    if cell_len(text) <= width:
        return text
    head_width = (width - 1) // 3
    tail_width = width - 1 - head_width
    tail = text
    while cell_len(tail) > tail_width:
        tail = tail[1:]
    return f"{set_cell_size(text, head_width).rstrip()}…{tail}"


def short_id(identifier: str) -> str:
    """Returns the first digits of a UUID; the beginning and end of an id that a person chose."""
    if _UUID.fullmatch(identifier):
        return f"{identifier[:_SHORT_ID]}…"
    return shorten_middle(identifier, _SHORT_ID + 1)


def _fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> list[int] | None:
    """Returns the widths of the columns; None if they cannot be narrow enough."""
    widths: list[int] = []
    for column, wanted in zip(columns, natural, strict=True):
        least = {
            Kind.ID: _SHORT_ID + 1,
            Kind.NAME: column.least_name,
            Kind.TEXT: _MIN_TEXT,
        }.get(column.kind, wanted)
        widths.append(min(wanted, least))
    spare = width - sum(widths) - _GAP * (len(columns) - 1)
    if spare < 0:
        return None
    for kind, most in ((Kind.ID, width), (Kind.NAME, width // 3), (Kind.TEXT, width)):
        for number, column in enumerate(columns):
            if column.kind is kind:
                more = max(min(natural[number], most) - widths[number], 0)
                # Part of an id is of no use.
                given = 0 if kind is Kind.ID and more > spare else min(more, spare)
                widths[number] += given
                spare -= given
    return widths


def _row_lines(
    columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]
) -> Iterator[str]:
    cells = [
        _cell_lines(column, cell, width)
        for column, cell, width in zip(columns, row, widths, strict=True)
    ]
    for line in zip_longest(*cells, fillvalue=""):
        padded = [
            " " * (width - cell_len(text)) + text
            if column.kind is Kind.NUMBER
            else set_cell_size(text, width)
            for column, text, width in zip(columns, line, widths, strict=True)
        ]
        yield (" " * _GAP).join(padded).rstrip()


def _cell_lines(column: Column, cell: str, width: int) -> list[str]:
    if cell_len(cell) <= width:
        return [cell]
    if isinstance(cell, Wrapped):
        return wrap(cell, width)
    if column.kind is Kind.ID:
        return [short_id(cell)]
    if column.kind is Kind.NAME:
        return [shorten_middle(cell, width)]
    return [f"{set_cell_size(cell, width - 1).rstrip()}…"]


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            if cell:
                shown = shorten_middle(cell, width) if column.kind is Kind.NAME else cell
                yield from wrap(f"{column.heading}: {shown}", width)
        yield ""
