"""How a page is laid out: each function draws one with random text, its lines in reading order."""

from collections.abc import Callable, Iterator
from itertools import islice

from accuracy.geometry import move
from accuracy.sheet import Sheet, Strip, Style, draw_column, draw_line, measure
from accuracy.texts import Text, may_begin_line
from accuracy.truth import Drawing

Layout = Callable[[Style, Text], Drawing]

_A4_MM = (297, 210)
_MM_PER_INCH = 25.4


def _fill(text: Text, style: Style, width: float) -> Iterator[Strip]:
    """Endless text, broken into lines no wider than this."""
    words: list[str] = []
    for token in text.tokens():
        if words and may_begin_line(token) and measure([*words, token], style) > width:
            yield draw_line(words, style)
            words = []
        words.append(token)


def _place(strip: Strip, left: float, right: float, side: str) -> float:
    """Where the line begins if it stands at the left, right or middle of a column."""
    places = {
        "left": left,
        "right": right - strip.width,
        "middle": (left + right - strip.width) / 2,
    }
    return places[side]


def _em(style: Style) -> float:
    return float(style.font.size)


def _between(text: Text, least: float, most: float) -> float:
    return float(text.rng.uniform(least, most))


def paragraphs(style: Style, text: Text, lines: int = 14) -> Drawing:
    """Two or three paragraphs in one column, ragged."""
    em = _em(style)
    margin = _between(text, 1.5, 3) * em
    width = _between(text, 20, 28) * em
    height = 2 * margin + (lines + 2) * style.pitch
    sheet = Sheet(round(height), round(width + 2 * margin), style)
    side = "right" if text.right_to_left else "left"
    y = margin + em
    for number, strip in enumerate(islice(_fill(text, style, width), lines)):
        sheet.put(strip, _place(strip, margin, margin + width, side), y)
        y += style.pitch * (1.6 if number % 6 == 5 else 1)
    return sheet.drawing()


def long_lines(style: Style, text: Text) -> Drawing:
    """A few lines, each more than 25 times as wide as high."""
    em = _em(style)
    margin = 1.5 * em
    width = _between(text, 30, 38) * em
    sheet = Sheet(round(2 * margin + 8 * style.pitch), round(width + 2 * margin), style)
    for number, strip in enumerate(islice(_fill(text, style, width), 8)):
        sheet.put(strip, margin, margin + em + number * style.pitch)
    return sheet.drawing()


def _crop(style: Style, text: Text, least: int, most: int) -> Drawing:
    """One line with a border of so many pixels around its ink."""
    strip = draw_line(list(islice(text.tokens(), int(text.rng.integers(2, 7)))), style)
    (left, top), (right, bottom) = strip.line.quad[0], strip.line.quad[2]
    border = int(text.rng.integers(least, most + 1))
    sheet = Sheet(round(bottom - top) + 2 * border, round(right - left) + 2 * border, style)
    sheet.put_turned(strip, border, border, 0)
    return sheet.drawing()


def crop(style: Style, text: Text) -> Drawing:
    """One line with a small border."""
    return _crop(style, text, 2, 8)


def tight_crop(style: Style, text: Text) -> Drawing:
    """One line whose ink touches the border."""
    return _crop(style, text, 0, 0)


def _a4(style: Style, text: Text, dpi: int) -> Drawing:
    height, width = (round(side * dpi / _MM_PER_INCH) for side in _A4_MM)
    margin = round(15 * dpi / _MM_PER_INCH)
    sheet = Sheet(height, width, style)
    y = margin + _em(style)
    for strip in _fill(text, style, width - 2 * margin):
        if y > height - margin:
            break
        sheet.put(strip, margin, y)
        y += style.pitch
    return sheet.drawing()


def a4_150(style: Style, text: Text) -> Drawing:
    """A full page of A4 at 150 dpi."""
    return _a4(style, text, 150)


def a4_300(style: Style, text: Text) -> Drawing:
    """A full page of A4 at 300 dpi."""
    return _a4(style, text, 300)


def _columns(style: Style, text: Text, count: int) -> Drawing:
    """A title across columns of unequal length, which are read one after the other."""
    em = _em(style)
    width, gap, margin = 15 * em, _between(text, 1.6, 2.6) * em, 2 * em
    rows = [int(text.rng.integers(12, 19)) for _ in range(count)]
    top = margin + 3 * style.pitch
    sheet = Sheet(
        round(top + max(rows) * style.pitch + margin),
        round(count * width + (count - 1) * gap + 2 * margin),
        style,
    )
    title = draw_line(text.phrase(3, 4), style)
    middle = _place(title, margin, sheet.pixels.shape[1] - margin, "middle")
    sheet.put(title, middle, margin + em)
    for column in range(count):
        left = margin + column * (width + gap)
        # Columns do not always share their baselines.
        y = top + _between(text, 0, 0.5) * style.pitch
        for strip in islice(_fill(text, style, width), rows[column]):
            sheet.put(strip, left, y)
            y += style.pitch
    return sheet.drawing()


def two_columns(style: Style, text: Text) -> Drawing:
    """Two columns below a title."""
    return _columns(style, text, 2)


def three_columns(style: Style, text: Text) -> Drawing:
    """Three columns below a title."""
    return _columns(style, text, 3)


def _put_goods(sheet: Sheet, style: Style, text: Text, margin: float, y: float) -> None:
    """One row: what was bought, and its price at the right."""
    right = sheet.pixels.shape[1] - margin
    item = text.phrase(1, 3)
    while measure(item, style) > 0.65 * (right - margin) and len(item) > 1:
        item.pop()
    sheet.put(draw_line(item, style), margin, y)
    price = draw_line([text.price()], style)
    sheet.put(price, _place(price, margin, right, "right"), y)


def receipt(style: Style, text: Text) -> Drawing:
    """A shop's name and date, rows of goods and prices, rules and a sum."""
    em = _em(style)
    margin, width = 1.5 * em, _between(text, 16, 22) * em
    rows = int(text.rng.integers(8, 16))
    sheet = Sheet(
        round(2 * margin + (rows + 5) * style.pitch + em), round(width + 2 * margin), style
    )
    left, right = margin, margin + width
    y = margin + em
    for words in (text.phrase(2, 3), [text.number()]):
        head = draw_line(words, style)
        sheet.put(head, _place(head, left, right, "middle"), y)
        y += style.pitch
    for row in range(rows + 1):
        if row in {0, rows}:
            sheet.rule(left, y - 0.5 * style.pitch, right, y - 0.5 * style.pitch)
            y += 0.6 * style.pitch
        _put_goods(sheet, style, text, margin, y)
        y += style.pitch
    return sheet.drawing()


def strip(style: Style, text: Text) -> Drawing:
    """A receipt of 576 by 9000 pixels."""
    height, width = 9000, 576
    margin = 1.5 * _em(style)
    sheet = Sheet(height, width, style)
    y = 2 * margin
    while y < height - 2 * margin:
        _put_goods(sheet, style, text, margin, y)
        y += style.pitch * (1.8 if text.rng.random() < 0.1 else 1)
    return sheet.drawing()


def table(style: Style, text: Text) -> Drawing:
    """A ruled table with a head, read row by row; numbers stand at the right of their cells."""
    em = _em(style)
    kinds = ["words", *text.rng.permutation(["words", "number", "price", "price"])]
    rows, pad, margin = int(text.rng.integers(7, 13)), 0.6 * em, 2 * em
    widths = [_between(text, 8, 11) * em if kind == "words" else 7 * em for kind in kinds]
    row_height = style.pitch + 0.7 * em
    bottom, right = margin + rows * row_height, margin + sum(widths)
    sheet = Sheet(round(bottom + margin), round(right + margin), style)
    thickness = max(1, round(em / 20))
    for row in range(rows + 1):
        y = margin + row * row_height
        sheet.rule(margin, y, right, y, thickness)
    for column in range(len(widths) + 1):
        x = margin + sum(widths[:column])
        sheet.rule(x, margin, x, bottom, thickness)
    for row in range(rows):
        baseline = margin + row * row_height + 0.5 * row_height + 0.35 * em
        for column, kind in enumerate(kinds):
            left = margin + sum(widths[:column]) + pad
            inner = widths[column] - 2 * pad
            words = text.phrase(1, 2) if kind == "words" or not row else [_figure(text, kind)]
            while measure(words, style) > inner and len(words) > 1:
                words.pop()
            side = "left" if kind == "words" or not row else "right"
            cell = draw_line(words, style)
            sheet.put(cell, _place(cell, left, left + inner, side), baseline)
    return sheet.drawing()


def _figure(text: Text, kind: str) -> str:
    return text.price() if kind == "price" else text.number()


def plan(style: Style, text: Text) -> Drawing:
    """9000 by 9000 pixels, with walls and some labels far apart."""
    side, cells = 9000, 8
    sheet = Sheet(side, side, style)
    cell = side / cells
    for place in range(1, cells):
        at = round(place * cell)
        begin, end = sorted(float(end) for end in text.rng.uniform(0, side, 2))
        sheet.rule(begin, at, end, at, 4)
        sheet.rule(at, begin, at, end, 4)
    for row in range(cells):
        for column in range(cells):
            if text.rng.random() < 0.2:
                continue
            label = draw_line(text.phrase(1, 3), style)
            x = (column + _between(text, 0.05, 0.4)) * cell
            sheet.put(label, x, (row + _between(text, 0.1, 0.9)) * cell)
    return sheet.drawing()


def half_turned(style: Style, text: Text) -> Drawing:
    """Paragraphs of which every fourth line stands upside down."""
    em = _em(style)
    margin, width, lines = 2 * em, 22 * em, 16
    sheet = Sheet(round(2 * margin + (lines + 1) * style.pitch), round(width + 2 * margin), style)
    turned = int(text.rng.integers(0, 4))
    for number, one in enumerate(islice(_fill(text, style, width), lines)):
        y = margin + em + number * style.pitch
        if number % 4 != turned:
            sheet.put(one, margin, y)
            continue
        (left, top), _ = one.line.quad[0], one.line.quad[2]
        sheet.put_turned(one, margin + left - one.margin, y + top - one.base, 2)
    return sheet.drawing()


def quarter_turned(style: Style, text: Text) -> Drawing:
    """A paragraph with a line beside it at each side that runs upwards or downwards."""
    em = _em(style)
    body = paragraphs(style, text, 16)
    height, width = body.pixels.shape[:2]
    aside = round(3 * em)
    sheet = Sheet(height, width + 2 * aside, style)
    sheet.pixels[:, aside : aside + width] = body.pixels
    sheet.lines += [line.moved(move(aside, 0)) for line in body.lines]
    lines = islice(_fill(text, style, height - 4 * em), 2)
    for one, x, turns in zip(lines, (em, width + aside), (1, 3), strict=True):
        sheet.put_turned(one, x, 2 * em, turns)
    return sheet.drawing()


def vertical(style: Style, text: Text) -> Drawing:
    """Columns of upright characters, from the right to the left."""
    em = _em(style)
    margin, columns = 2 * em, 10
    characters = (token for token in text.tokens() if len(token) == 1)
    found: list[Strip] = []
    first = next(characters)
    for _ in range(columns):
        column = [first, *islice(characters, int(text.rng.integers(13, 19)))]
        while not may_begin_line(first := next(characters)):
            column.append(first)
        found.append(draw_column(column, style))
    height = max(one.width for one in found) + 2 * margin
    sheet = Sheet(round(height), round(2 * margin + columns * style.pitch), style)
    right = sheet.pixels.shape[1] - margin - em / 2
    for number, one in enumerate(found):
        sheet.put(one, right - number * style.pitch, margin)
    return sheet.drawing()


LAYOUTS: dict[str, Layout] = {
    layout.__name__: layout
    for layout in (
        paragraphs,
        long_lines,
        crop,
        tight_crop,
        a4_150,
        a4_300,
        two_columns,
        three_columns,
        receipt,
        strip,
        table,
        plan,
        half_turned,
        quarter_turned,
        vertical,
    )
}
