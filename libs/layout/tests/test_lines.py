"""Which pieces in reading order stand on one line."""

from layout_kinds import drawn
from layout_pages import HEBREW, Page, Piece, chance, mirrored, turned, upright

from ocrstream_layout import in_reading_order, split_into_lines


def lines(pieces: list[Piece]) -> list[list[int]]:
    split = split_into_lines(pieces, lambda one: one.corners, lambda one: one.text)
    return [[one.number for one in line] for line in split]


def prose(alphabet: str | None = None) -> tuple[list[Piece], list[list[int]]]:
    page = Page(chance("prose"), words=True)
    page.alphabet = alphabet or page.alphabet
    page.prose(0, 0, 600, 9)
    wanted: dict[float, list[int]] = {}
    for one in page.pieces:
        wanted.setdefault(one.extent[1], []).append(one.number)
    return page.pieces, list(wanted.values())


def test_words_are_split_where_a_new_line_begins() -> None:
    pieces, wanted = prose()
    for degrees in (0, 7, 90, 180, 263):
        assert lines(turned(pieces, degrees)) == wanted


def test_lines_from_right_to_left_are_lines() -> None:
    pieces, wanted = prose(HEBREW)
    assert lines(mirrored(pieces)) == wanted


def test_columns_do_not_share_lines() -> None:
    page = drawn("two_columns", 3, words=True)
    read = in_reading_order(page.pieces, lambda one: one.corners)
    for line in lines(read):
        assert len({page.pieces[at].extent[1] for at in line}) == 1
        lefts = [page.pieces[at].extent[0] for at in line]
        assert max(lefts) < 600 or min(lefts) > 600


def test_a_row_of_cells_is_a_line() -> None:
    cells = [Piece("1.50", upright(x, 0, x + 50, 24), at) for at, x in enumerate((0, 300, 900))]
    assert lines(cells) == [[0, 1, 2]]
    assert lines([]) == []
