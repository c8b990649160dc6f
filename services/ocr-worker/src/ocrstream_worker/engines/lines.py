"""What an engine read, as lines of words, and the boxes that become of it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from ocrstream_layout import in_reading_order
from ocrstream_schemas.events import BoxUnit, TextBox
from ocrstream_schemas.fields import Point

Corners = Sequence[Sequence[float]]
"""Four `[x, y]`, clockwise from where the text's own top left is, in the image's pixels."""


@dataclass(frozen=True)
class Word:
    """A piece of a line. What parts words is the engine's to say; a blank always does."""

    text: str
    confidence: float
    corners: Corners


@dataclass(frozen=True)
class Line:
    """A line, and its words where they were asked for or are known anyway."""

    text: str
    confidence: float
    corners: Corners
    words: Sequence[Word] = ()


def join_words(words: Sequence[Word], corners: Corners) -> Line:
    """The line that these words make: joined by blanks, its confidence their mean.

    Between two characters of a writing that has no blanks, none is put.
    """
    text = words[0].text
    for before, word in pairwise(words):
        joined = is_unspaced(before.text[-1:]) and is_unspaced(word.text[:1])
        text += ("" if joined else " ") + word.text
    return Line(text, fmean(word.confidence for word in words), corners, words)


def is_unspaced(character: str) -> bool:
    """Whether it is of a writing whose words no blank parts: Chinese, Japanese."""
    return "\u3041" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff"


def to_boxes(
    lines: Iterable[Line], unit: BoxUnit, min_confidence: float, width: int, height: int
) -> tuple[TextBox, ...]:
    """One box for each line, or for each word of each line, in reading order.

    Left out: lines that the engine is less sure of than `min_confidence`, with all their words; and
    what is blank.
    """
    sure = (line for line in lines if line.confidence >= min_confidence)
    kept = in_reading_order(sure, lambda line: line.corners, lambda line: line.text)
    pieces = kept if unit == "line" else (word for line in kept for word in line.words)
    return tuple(
        text_box(piece.text, piece.confidence, piece.corners, width, height)
        for piece in pieces
        if piece.text.strip()
    )


def upright(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """The corners of an upright box."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def text_box(text: str, confidence: float, corners: Corners, width: int, height: int) -> TextBox:
    """A box that the event contract accepts, whatever rounding the engine did.

    Clips the polygon to the image and the confidence to 0..1; a confidence that is no number is 0.
    Drops what no database stores as text: NUL and lone surrogates. Raises ValueError unless
    `corners` are four points of finite numbers.
    """
    if len(corners) != 4 or not all(math.isfinite(value) for point in corners for value in point):
        raise ValueError(f"the engine gave no polygon of four points: {corners!r}")
    top_left, top_right, bottom_right, bottom_left = (
        _clip(point, width, height) for point in corners
    )
    return TextBox(
        text=text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8"),
        confidence=min(max(float(confidence), 0.0), 1.0) if math.isfinite(confidence) else 0.0,
        bbox=(top_left, top_right, bottom_right, bottom_left),
    )


def _clip(point: Sequence[float], width: int, height: int) -> Point:
    x, y = point
    return (min(max(float(x), 0.0), float(width)), min(max(float(y), 0.0), float(height)))
