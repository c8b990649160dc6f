"""What stands on a page, and where."""

from dataclasses import dataclass, replace

import numpy as np

from accuracy.geometry import Matrix, Pixels, Quad, project, quarter_turn, warp


@dataclass(frozen=True)
class Word:
    """What blanks part; in Chinese and Japanese every character, and every number.

    The quadrilateral is as wide as the word's ink, a single character's as its cell, and as high as
    the ink of its line.
    """

    text: str
    quad: Quad


@dataclass(frozen=True)
class Line:
    """A line as it is read, or a cell of a table. `quad` is around its ink.

    `vertical`: its characters stand upright below each other.
    """

    text: str
    quad: Quad
    words: tuple[Word, ...]
    vertical: bool = False

    def moved(self, matrix: Matrix) -> "Line":
        """The same line where a transformation takes it."""
        words = tuple(replace(word, quad=project(matrix, word.quad)) for word in self.words)
        return replace(self, quad=project(matrix, self.quad), words=words)


@dataclass(frozen=True)
class Drawing:
    """Pixels and the lines on them, in reading order. `paper`: the colour around them."""

    pixels: Pixels
    lines: tuple[Line, ...]
    paper: tuple[int, ...]

    def warped(self, matrix: Matrix, height: int, width: int) -> "Drawing":
        """All of it where a homography takes it."""
        pixels = warp(self.pixels, matrix, height, width, self.paper)
        return replace(self, pixels=pixels, lines=self._moved(matrix))

    def turned(self, quarter_turns: int) -> "Drawing":
        """All of it turned to the left, pixel by pixel."""
        matrix = quarter_turn(quarter_turns, *self.pixels.shape[:2])
        pixels = np.ascontiguousarray(np.rot90(self.pixels, quarter_turns))
        return replace(self, pixels=pixels, lines=self._moved(matrix))

    def _moved(self, matrix: Matrix) -> tuple[Line, ...]:
        return tuple(line.moved(matrix) for line in self.lines)


@dataclass(frozen=True)
class Page:
    """A file with a known text. `variant` tells it from others of its class: font, format, angle.

    `joiner` parts lines and words where they are joined. `ordered`: whether there is one right
    reading order.
    """

    name: str
    variant: str
    content: bytes
    suffix: str
    lines: tuple[Line, ...]
    joiner: str = " "
    ordered: bool = True
    language: str = "en"
