"""Kinds of pages, each drawn at random in its true order."""

from collections.abc import Callable

from layout_pages import SPACE, Page, chance

Kind = Callable[[Page], None]

WIDTH = 1240.0  # A4 at 150 dpi
MARGIN = 100.0


def _columns(page: Page, count: int, y: float, lines: int) -> float:
    gutter = page.rng.uniform(1.6, 3.0) * page.size
    width = (WIDTH - 2 * MARGIN - (count - 1) * gutter) / count
    justified = page.rng.random() < 0.5
    leading = page.rng.uniform(1.25, 1.7)
    skip = page.rng.choice([0.0, 0.6])
    level = page.rng.random() < 0.5
    ends: list[float] = []
    for number in range(count):
        start = y if level else y + page.rng.uniform(0, 1.4) * page.size
        # The last column ends where the text does.
        own = lines if number < count - 1 else page.rng.randint(max(2, lines // 4), lines)
        x = MARGIN + number * (width + gutter)
        end = page.prose(x, start, width, own, leading=leading, justified=justified, skip=skip)
        ends.append(end)
    return max(ends)


def _title(page: Page, y: float) -> float:
    text = " ".join(page.word(4, 10) for _ in range(5))
    page.line(text, WIDTH / 2, y, 1.6 * page.size, align="centre")
    return y + 3.2 * page.size


def one_column(page: Page) -> None:
    y = _title(page, 80)
    page.prose(MARGIN, y, WIDTH - 2 * MARGIN, page.rng.randint(5, 40))


def two_columns(page: Page) -> None:
    _columns(page, 2, 100, page.rng.randint(8, 40))


def three_columns(page: Page) -> None:
    _columns(page, 3, 100, page.rng.randint(8, 40))


def headline_and_columns(page: Page) -> None:
    y = _title(page, 60)
    y = _columns(page, page.rng.choice([2, 3]), y, page.rng.randint(8, 30))
    page.line(str(page.rng.randint(1, 99)), page.rng.choice([MARGIN, WIDTH / 2]), y + 60)


def short_title_and_columns(page: Page) -> None:
    """A title of the text's size that is no wider than the column below it."""
    page.line(f"{page.word(4, 8)} {page.word(4, 8)}", WIDTH / 2, 60, align="centre")
    y = 60 + page.rng.uniform(2.8, 3.0) * page.size
    _columns(page, 3, y, page.rng.randint(12, 24))


def table(page: Page) -> None:
    count = page.rng.randint(2, 6)
    room = (WIDTH - 2 * MARGIN) / count
    columns = [
        (MARGIN + room * at, "left")
        if at == 0 or page.rng.random() < 0.4
        else (MARGIN + room * (at + 1) - page.size, "right")
        for at in range(count)
    ]
    most = 1 if room < 12 * page.size else 2
    pitch = page.rng.uniform(1.3, 2.6)
    empty = page.rng.choice([0.0, 0.25])
    page.table(columns, 100, page.rng.randint(3, 30), pitch=pitch, empty=empty, most_words=most)


def receipt(page: Page) -> None:
    width = 30 * page.size
    y = 40.0
    for _ in range(3):
        page.line(" ".join(page.word() for _ in range(3)), width / 2, y, align="centre")
        y += 1.5 * page.size
    y += page.size
    for _ in range(page.rng.randint(4, 20)):
        page.line(" ".join(page.word() for _ in range(page.rng.randint(1, 4))), 10, y)
        if page.rng.random() < 0.85:
            page.line(
                f"{page.rng.randint(1, 999)}.{page.rng.randint(10, 99)}", width, y, align="right"
            )
        y += 1.5 * page.size
    y += page.size
    page.line("total", 10, y)
    page.line(f"{page.rng.randint(100, 9999)}.00", width, y, align="right")
    page.line(" ".join(page.word() for _ in range(4)), width / 2, y + 3 * page.size, align="centre")


def form(page: Page) -> None:
    y = 100.0
    for _ in range(page.rng.randint(4, 16)):
        page.line(page.word(4, 10) + ":", MARGIN, y)
        page.line(" ".join(page.word() for _ in range(page.rng.randint(1, 4))), MARGIN + 240, y)
        if page.rng.random() < 0.5:
            page.line(page.word(4, 8) + ":", MARGIN + 700, y)
            page.line(page.word(4, 8), MARGIN + 860, y)
        y += page.rng.uniform(1.8, 2.4) * page.size


def mixed(page: Page) -> None:
    y = _title(page, 60)
    y = _columns(page, 2, y, page.rng.randint(6, 20))
    y += 1.2 * page.size
    count = page.rng.choice([2, 3, 4, 5])
    room = (WIDTH - 2 * MARGIN) / count
    columns = [(MARGIN, "left")] + [
        (MARGIN + room * (at + 1) - page.size, "right") for at in range(1, count)
    ]
    y = page.table(columns, y, page.rng.randint(3, 8), most_words=2)
    if page.rng.random() < 0.5:
        _columns(page, 2, y + 1.5 * page.size, page.rng.randint(5, 15))


def figures(page: Page) -> None:
    """Two columns with a gap for a figure in one or both, and its caption."""
    gutter = 2 * page.size
    width = (WIDTH - 2 * MARGIN - gutter) / 2
    for number in range(2):
        x = MARGIN + number * (width + gutter)
        y = page.prose(x, 100, width, page.rng.randint(4, 12))
        if page.rng.random() < 0.7:
            y += page.rng.uniform(5, 15) * page.size
            page.line("figure " + " ".join(page.word() for _ in range(3)), x, y)
            y += 2.5 * page.size
        page.prose(x, y, width, page.rng.randint(4, 12))


def sections(page: Page) -> None:
    """Two columns with headings in them."""
    gutter = 2 * page.size
    width = (WIDTH - 2 * MARGIN - gutter) / 2
    for number in range(2):
        x, y = MARGIN + number * (width + gutter), 100.0
        for _ in range(page.rng.randint(2, 4)):
            page.line(" ".join(page.word() for _ in range(2)), x, y, 1.2 * page.size)
            y = page.prose(x, y + 2 * page.size, width, page.rng.randint(4, 12)) + page.size


def text_table(page: Page) -> None:
    """Cells of words in all columns, which start at the left."""
    count = page.rng.randint(2, 4)
    room = (WIDTH - 2 * MARGIN) / count
    columns = [(MARGIN + room * at, "left") for at in range(count)]
    most = max(1, int((room - 2 * page.size) / (4.5 * page.size + SPACE * page.size)))
    pitch = page.rng.uniform(1.3, 2.6)
    page.table(columns, 100, page.rng.randint(3, 25), pitch=pitch, most_words=most)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        one_column,
        two_columns,
        three_columns,
        headline_and_columns,
        short_title_and_columns,
        table,
        text_table,
        receipt,
        form,
        mixed,
        figures,
        sections,
    )
}


def drawn(kind: str, seed: int, *, words: bool = False, alphabet: str | None = None) -> Page:
    """A page of a kind; the same for the same seed."""
    page = Page(chance(f"{kind} {seed}"), words=words)
    if alphabet is not None:
        page.alphabet = alphabet
    KINDS[kind](page)
    return page
