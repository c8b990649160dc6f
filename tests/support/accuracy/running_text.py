"""Pages of running text: each function draws one with random text, its lines in reading order."""

from collections.abc import Iterator
from itertools import islice

from accuracy.geometry import move
from accuracy.sheet import Sheet, Strip, Style, draw_column, draw_line, measure
from accuracy.texts import Text, may_begin_line
from accuracy.truth import Drawing

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


def place_at(strip: Strip, left: float, right: float, side: str) -> float:
    """Where the line begins if it stands at the left, right or middle of a column."""
    places = {
        "left": left,
        "right": right - strip.width,
        "middle": (left + right - strip.width) / 2,
    }
    return places[side]


def em_of(style: Style) -> float:
    """The font's size in pixels."""
    return float(style.font.size)


def between(text: Text, least: float, most: float) -> float:
    """A random share of what makes pages differ."""
    return float(text.rng.uniform(least, most))


def paragraphs(style: Style, text: Text, lines: int = 14) -> Drawing:
    """Two or three paragraphs in one column, ragged."""
    em = em_of(style)
    margin = between(text, 1.5, 3) * em
    width = between(text, 20, 28) * em
    height = 2 * margin + (lines + 2) * style.pitch
    sheet = Sheet(round(height), round(width + 2 * margin), style)
    side = "right" if text.right_to_left else "left"
    y = margin + em
    for number, strip in enumerate(islice(_fill(text, style, width), lines)):
        sheet.put(strip, place_at(strip, margin, margin + width, side), y)
        y += style.pitch * (1.6 if number % 6 == 5 else 1)
    return sheet.drawing()


def long_lines(style: Style, text: Text) -> Drawing:
    """A few lines, each more than 25 times as wide as high."""
    em = em_of(style)
    margin = 1.5 * em
    width = between(text, 30, 38) * em
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
    y = margin + em_of(style)
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
    em = em_of(style)
    width, gap, margin = 15 * em, between(text, 1.6, 2.6) * em, 2 * em
    rows = [int(text.rng.integers(12, 19)) for _ in range(count)]
    top = margin + 3 * style.pitch
    sheet = Sheet(
        round(top + max(rows) * style.pitch + margin),
        round(count * width + (count - 1) * gap + 2 * margin),
        style,
    )
    title = draw_line(text.phrase(3, 4), style)
    middle = place_at(title, margin, sheet.pixels.shape[1] - margin, "middle")
    sheet.put(title, middle, margin + em)
    for column in range(count):
        left = margin + column * (width + gap)
        # Columns do not always share their baselines.
        y = top + between(text, 0, 0.5) * style.pitch
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


def half_turned(style: Style, text: Text) -> Drawing:
    """Paragraphs of which every fourth line stands upside down."""
    em = em_of(style)
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
    em = em_of(style)
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
    em = em_of(style)
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
