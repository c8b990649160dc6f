"""Drawing lines of words onto a page, and noting where they come to lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from accuracy.fonts import load_font
from accuracy.geometry import Matrix, cover, move, project, quarter_turn, upright
from accuracy.truth import Drawing, Line, Word

Colour = tuple[int, int, int]

_LEAST_INK = 64


@dataclass(frozen=True)
class Style:
    """How text looks. `x_height` and `pitch` (from line to line) are in pixels.

    `joiner` parts the words of a line; where it is empty they stand close together.
    """

    font_name: str
    x_height: float
    pitch: float
    ink: Colour = (20, 20, 24)
    paper: Colour = (255, 255, 255)
    joiner: str = " "
    right_to_left: bool = False

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        """The font at its size."""
        return load_font(self.font_name, self.x_height)


@dataclass(frozen=True)
class Strip:
    """A drawn line: how much ink lies on each pixel, and the quads in its own pixels.

    `width` is what it advances, its origin is `margin` from the left; its baseline (or, of vertical
    text, its middle) is at `base`.
    """

    coverage: NDArray[np.uint8]
    line: Line
    width: float
    margin: int
    base: int


def measure(words: list[str], style: Style) -> float:
    """How far a line of these words reaches, in pixels."""
    font = style.font
    gaps = font.getlength(style.joiner) * (len(words) - 1) if style.joiner else 0.0
    return gaps + sum(font.getlength(word) for word in words)


def draw_line(words: list[str], style: Style) -> Strip:
    """A line of these words, in the order they are read."""
    font = style.font
    margin = int(font.size / 2) + 2
    width = measure(words, style)
    base = margin + int(font.size * 1.2)
    image = Image.new("L", (int(width) + 2 * margin + 1, base + int(font.size * 0.6) + margin))
    pen = ImageDraw.Draw(image)
    gap = font.getlength(style.joiner) if style.joiner else 0.0
    x = float(margin)
    spans: list[tuple[float, float]] = []
    for word in words[::-1] if style.right_to_left else words:
        direction = "rtl" if style.right_to_left and not word[:1].isdigit() else "ltr"
        pen.text((x, base), word, 255, font, anchor="ls", direction=direction)
        advance = font.getlength(word)
        spans.append((x - gap / 2, x + advance + gap / 2))
        x += advance + gap
    if style.right_to_left:
        spans.reverse()
    coverage = np.asarray(image)
    ink = coverage > _LEAST_INK
    top, bottom = _extent(_any_ink(ink, 1))
    columns = _any_ink(ink, 0)
    # Without blanks a word is a character, which owns its cell; with them it is as wide as its ink.
    whole = _extent(columns)
    cells = [(_within(columns, *span) if gap else _clipped(span, whole)) for span in spans]
    found = tuple(
        Word(word, upright(left, top, right, bottom))
        for word, (left, right) in zip(words, cells, strict=True)
    )
    line = Line(style.joiner.join(words), cover([word.quad for word in found]), found)
    return Strip(coverage, line, width, margin, base)


def draw_column(characters: list[str], style: Style) -> Strip:
    """A vertical line of these characters, from top to bottom."""
    font = style.font
    margin = int(font.size / 2) + 2
    length = sum(font.getlength(one, direction="ttb") for one in characters)
    middle = margin + int(font.size)
    image = Image.new("L", (2 * middle, int(length) + 2 * margin + 1))
    pen = ImageDraw.Draw(image)
    y = float(margin)
    spans: list[tuple[float, float]] = []
    for one in characters:
        advance = font.getlength(one, direction="ttb")
        pen.text((middle, y), one, 255, font, anchor="mt", direction="ttb")
        spans.append((y, y + advance))
        y += advance
    coverage = np.asarray(image)
    ink = coverage > _LEAST_INK
    left, right = _extent(_any_ink(ink, 0))
    whole = _extent(_any_ink(ink, 1))
    cells = [_clipped(span, whole) for span in spans]
    found = tuple(
        Word(one, upright(left, top, right, bottom))
        for one, (top, bottom) in zip(characters, cells, strict=True)
    )
    text = "".join(characters)
    line = Line(text, cover([word.quad for word in found]), found, vertical=True)
    return Strip(coverage, line, length, margin, middle)


def _any_ink(ink: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.asarray(ink.any(axis=axis), dtype=np.bool_)


def _extent(has_ink: NDArray[np.bool_]) -> tuple[float, float]:
    """From the first place with ink to behind the last."""
    (places,) = np.nonzero(has_ink)
    return float(places[0]), float(places[-1] + 1)


def _within(has_ink: NDArray[np.bool_], begin: float, end: float) -> tuple[float, float]:
    """The same between two places."""
    first = max(0, round(begin))
    least, most = _extent(has_ink[first : round(end)])
    return first + least, first + most


def _clipped(span: Sequence[float], whole: tuple[float, float]) -> tuple[float, float]:
    begin, end = span
    return max(begin, whole[0]), min(end, whole[1])


class Sheet:
    """A page on which lines are put, in reading order."""

    def __init__(self, height: int, width: int, style: Style) -> None:
        self._style = style
        self.pixels = np.empty((height, width, 3), dtype=np.uint8)
        self.pixels[:] = style.paper
        self.lines: list[Line] = []

    def put(self, strip: Strip, x: float, baseline: float) -> None:
        """The line's origin at x, on this baseline; of vertical text the middle of its top."""
        left, top = round(x) - strip.margin, round(baseline) - strip.base
        if strip.line.vertical:
            left, top = round(x) - strip.base, round(baseline) - strip.margin
        self._blend(strip.coverage, left, top)
        self.lines.append(strip.line.moved(move(left, top)))

    def put_turned(self, strip: Strip, x: float, y: float, quarter_turns: int) -> None:
        """The line turned to the left, the upper left of its ink's upright cover at x, y."""
        matrix = quarter_turn(quarter_turns, *strip.coverage.shape)
        left, top = cover([project(matrix, strip.line.quad)])[0]
        left, top = round(x - left), round(y - top)
        self._blend(np.rot90(strip.coverage, quarter_turns), left, top)
        shifted: Matrix = move(left, top) @ matrix
        self.lines.append(strip.line.moved(shifted))

    def rule(self, x1: float, y1: float, x2: float, y2: float, thickness: int = 1) -> None:
        """A straight line in ink, upright or level."""
        left, top = round(x1), round(y1)
        self.pixels[top : round(y2) + thickness, left : round(x2) + thickness] = self._style.ink

    def drawing(self) -> Drawing:
        """What has been put."""
        return Drawing(self.pixels, tuple(self.lines), self._style.paper)

    def _blend(self, coverage: NDArray[np.uint8], left: int, top: int) -> None:
        """What lies beyond the page is lost."""
        height, width = self.pixels.shape[:2]
        below, right = top + coverage.shape[0], left + coverage.shape[1]
        part = coverage[max(0, -top) : height - top, max(0, -left) : width - left]
        place = self.pixels[max(0, top) : below, max(0, left) : right]
        share = part[:, :, np.newaxis].astype(np.float32) / 255
        ink = np.array(self._style.ink, dtype=np.float32)
        place[:] = np.round(place + (ink - place) * share).astype(np.uint8)
