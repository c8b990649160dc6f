"""Pages of rows and labels, each drawn with random text, their lines in reading order."""

from accuracy.running_text import between, em_of, place_at
from accuracy.sheet import Sheet, Style, draw_line, measure
from accuracy.texts import Text
from accuracy.truth import Drawing


def _put_goods(sheet: Sheet, style: Style, text: Text, margin: float, y: float) -> None:
    """One row: what was bought, and its price at the right."""
    right = sheet.pixels.shape[1] - margin
    item = text.phrase(1, 3)
    while measure(item, style) > 0.65 * (right - margin) and len(item) > 1:
        item.pop()
    sheet.put(draw_line(item, style), margin, y)
    price = draw_line([text.price()], style)
    sheet.put(price, place_at(price, margin, right, "right"), y)


def receipt(style: Style, text: Text) -> Drawing:
    """A shop's name and date, rows of goods and prices, rules and a sum."""
    em = em_of(style)
    margin, width = 1.5 * em, between(text, 16, 22) * em
    rows = int(text.rng.integers(8, 16))
    sheet = Sheet(
        round(2 * margin + (rows + 5) * style.pitch + em), round(width + 2 * margin), style
    )
    left, right = margin, margin + width
    y = margin + em
    for words in (text.phrase(2, 3), [text.number()]):
        head = draw_line(words, style)
        sheet.put(head, place_at(head, left, right, "middle"), y)
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
    margin = 1.5 * em_of(style)
    sheet = Sheet(height, width, style)
    y = 2 * margin
    while y < height - 2 * margin:
        _put_goods(sheet, style, text, margin, y)
        y += style.pitch * (1.8 if text.rng.random() < 0.1 else 1)
    return sheet.drawing()


def table(style: Style, text: Text) -> Drawing:
    """A ruled table with a head, read row by row; numbers stand at the right of their cells."""
    em = em_of(style)
    kinds = ["words", *text.rng.permutation(["words", "number", "price", "price"])]
    rows, pad, margin = int(text.rng.integers(7, 13)), 0.6 * em, 2 * em
    widths = [between(text, 8, 11) * em if kind == "words" else 7 * em for kind in kinds]
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
            sheet.put(cell, place_at(cell, left, left + inner, side), baseline)
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
            x = (column + between(text, 0.05, 0.4)) * cell
            sheet.put(label, x, (row + between(text, 0.1, 0.9)) * cell)
    return sheet.drawing()
