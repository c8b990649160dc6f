"""The lines and words that an engine recognised, and their text boxes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ocrstream_layout import in_reading_order, join_pieces
from ocrstream_schemas.events import BoxUnit, TextBox
from ocrstream_schemas.fields import Point

Corners = Sequence[Sequence[float]]
"""Four `[x, y]`, clockwise from the text's own top left, in the image's pixels."""


@dataclass(frozen=True)
class Word:
    """A part of a line. The engine decides what separates words; a space always does."""

    text: str
    confidence: float
    corners: Corners


@dataclass(frozen=True)
class Line:
    """A line, with its words if they are known."""

    text: str
    confidence: float
    corners: Corners
    words: Sequence[Word] = ()


def join_words(words: Sequence[Word], corners: Corners) -> Line:
    """Joins words to a line; its confidence is their mean."""
    text = join_pieces(word.text for word in words)
    return Line(text, fmean(word.confidence for word in words), corners, words)


def is_unspaced(character: str) -> bool:
    """Whether the character's script has no spaces between words: Chinese, Japanese."""
    return "\u3041" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff"


def to_boxes(
    lines: Iterable[Line], unit: BoxUnit, min_confidence: float, width: int, height: int
) -> tuple[TextBox, ...]:
    """Makes a box of each line, or of each word of each line, in reading order.

    It leaves out lines with less than `min_confidence`, with all their words, and blank text.
    """
    sure = (line for line in lines if line.confidence >= min_confidence)
    kept = in_reading_order(sure, lambda line: line.corners, lambda line: line.text)
    pieces = kept if unit == "line" else (word for line in kept for word in line.words)
    return tuple(
        text_box(piece.text, piece.confidence, piece.corners, width, height)
        for piece in pieces
        if piece.text.strip()
    )


def box_corners(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """The corners of an upright box."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def text_box(text: str, confidence: float, corners: Corners, width: int, height: int) -> TextBox:
    """Makes a box that satisfies the event contract, whatever the engine's rounding.

    Clips the polygon to the image and the confidence to 0..1; NaN becomes 0. Drops what no database
    stores as text: NUL and lone surrogates. Raises ValueError unless `corners` are four finite
    points.
    """
    if len(corners) != 4 or not all(math.isfinite(value) for point in corners for value in point):
        raise ValueError(f"the engine returned no polygon of four finite points: {corners!r}")
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
