"""Tables at any width, and what is said about images that were not read."""

import uuid
from typing import Any

import pytest
from rich.cells import cell_len
from scripted_client import row

from ocrstream_client.failure_reasons import REMEDIES, describe, explain
from ocrstream_client.models import FailureGroup, Image
from ocrstream_client.tables import (
    Column,
    Kind,
    Wrapped,
    render_table,
    short_id,
    shorten_middle,
)
from ocrstream_schemas.events import Reason

COLUMNS = (
    Column("index", Kind.NUMBER),
    Column("image", Kind.NAME),
    Column("batch", Kind.ID),
    Column("text", Kind.TEXT),
)
ID = str(uuid.UUID(int=7))
NAME = "2024/a long folder/with more in it/합계합계합계합계-0001.png"
REASON = "undecodable: cannot identify the image file -> submit it again as PNG, JPEG, TIFF or PDF"
ROWS = [["7", NAME, ID, Wrapped(REASON)], ["1000", "a.png", "letters", "word " * 60]]


def test_without_a_terminal_nothing_is_left_out() -> None:
    lines, shortened = render_table(COLUMNS, ROWS, None)
    assert not shortened
    assert len(lines) == 3
    assert lines[1].split("  ")[-3:] == [NAME, ID, REASON]
    assert lines[1].startswith("    7  ")
    assert lines[2].endswith(("word " * 60).rstrip())


@pytest.mark.parametrize("width", [300, 120, 80, 64])
def test_a_table_is_no_wider_than_the_terminal(width: int) -> None:
    lines, shortened = render_table(COLUMNS, ROWS, width)
    assert max(map(cell_len, lines)) <= width
    assert shortened == (width < 90)
    # A reason goes on below, a text does not.
    last_column = cell_len(lines[0].partition("text")[0])
    assert "".join("".join(lines[1:-1]).split()).count("PDF") == 1
    assert all(line[:4].strip() == "" for line in lines[2:-1])
    assert lines[-1].startswith(" 1000  a.png")
    if width < 300:
        assert lines[-1].endswith("…")
        assert lines[1].split()[1].startswith("2024/")
        assert "-0001.png" in lines[1][:last_column]
    if shortened:
        assert f"{ID[:8]}…" in lines[1]
        assert ID not in lines[1]


@pytest.mark.parametrize("width", [40, 20])
def test_a_terminal_that_is_too_narrow_gets_a_line_for_each_cell(width: int) -> None:
    lines, _ = render_table(COLUMNS, ROWS, width)
    assert max(map(cell_len, lines)) <= width
    told = "".join(lines).replace(" ", "")
    assert f"batch:{ID}" in told
    assert REASON.replace(" ", "") in told


def test_no_cell_steers_the_terminal() -> None:
    lines, _ = render_table(COLUMNS, [["1", "a\x1b[31m\n", "b\t", Wrapped("c\x07")]], 80)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abc…fghijk"),
        ("합계합계합계합계", 10, "합…계합계"),
        ("ab", 1, "…"),
    ],
)
def test_a_name_loses_its_middle(text: str, width: int, shown: str) -> None:
    assert shorten_middle(text, width) == shown
    assert cell_len(shorten_middle(text, width)) <= width


def test_an_id_is_whole_or_recognizable() -> None:
    assert short_id(ID) == "00000000…"
    assert short_id("letters") == "letters"
    assert short_id("letters-of-may") == "le…of-may"


def test_every_reason_has_a_remedy() -> None:
    assert REMEDIES.keys() == set(Reason)


def failed(number: int, **told: Any) -> Image:
    return Image.from_json(row(number, status="FAILURE", **told), {})


def test_a_failure_says_what_to_do() -> None:
    image = failed(0, reason="no_text", error="No text boxes extracted")
    assert explain(image, "b-1").startswith("no_text: No text boxes extracted -> ")
    assert "ocrstream retry b-1 --include-no-text" in explain(image, "b-1")
    assert explain(failed(0, reason="newer", error="x"), "b-1") == "newer: x"


@pytest.mark.parametrize("width", [80, 40, None])
def test_failures_are_told_by_reason(width: int | None) -> None:
    groups = [
        FailureGroup("FAILURE", "undecodable", 4, (failed(1, error="no pixels \x1b"),)),
        FailureGroup("FAILURE", None, 1, (failed(2),)),
    ]
    lines = list(describe(groups, "b", width))
    told = " ".join(" ".join(lines).split())
    assert told.startswith("4 images: undecodable -> ")
    assert "1.png: no pixels \\x1b … and 3 more 1 image: no reason is known 2.png" in told
    if width is None:
        assert len(lines) == 5
    else:
        assert max(map(cell_len, lines)) <= width
    assert list(describe(groups, "b", width, most=1))[-1] == "and 1 other reason"
