"""Splits a line into words, by the columns in which RapidOCR saw their characters."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import cv2
import numpy as np

from ocrstream_worker.engines.lines import Word, is_unspaced

_UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)


def split_line(text: str, word_info: Any, corners: Any) -> list[Word]:
    """Splits a line at spaces and wide gaps, and after every Chinese or kana character.

    `found` is RapidOCR's `WordInfo` or None, `corners` the line's polygon from the text's own top
    left. The recogniser reports the middle of each character. A word extends half a character
    further, but not into its neighbour.
    """
    if word_info is None or not word_info.words:
        return []
    # RapidOCR lists a confidence for every character, but columns only for those that are no space.
    confidences = [
        confidence
        for character, confidence in zip(text, word_info.confs, strict=False)
        if not character.isspace()
    ]
    half = _character_width(word_info.word_cols, len(text), word_info.line_txt_len) / 2
    pieces = list(_pieces(word_info.words, word_info.word_cols, confidences))
    middles = np.array([(columns[0], columns[-1]) for _, columns, _ in pieces]) + 0.5
    spans = middles / word_info.line_txt_len + (-half, half)
    between = (spans[:-1, 1] + spans[1:, 0]) / 2
    spans[:-1, 1] = np.minimum(spans[:-1, 1], between)
    spans[1:, 0] = np.maximum(spans[1:, 0], between)
    polygons = _project(np.clip(spans, 0, 1), corners)
    return [
        Word(word, fmean(word_confidences), polygon)
        for (word, _, word_confidences), polygon in zip(pieces, polygons, strict=True)
    ]


def _pieces(
    words: Sequence[Sequence[str]], columns: Sequence[Sequence[int]], confidences: Sequence[float]
) -> Iterator[tuple[str, Sequence[int], Sequence[float]]]:
    """Text, columns and confidences of each word."""
    done = 0
    for word, word_columns in zip(words, columns, strict=True):
        begin = 0
        for end in range(1, len(word) + 1):
            last = end == len(word)
            if last or is_unspaced(word[end - 1]) or is_unspaced(word[end]):
                word_confidences = confidences[done + begin : done + end]
                yield "".join(word[begin:end]), word_columns[begin:end], word_confidences
                begin = end
        done += len(word)


def _character_width(columns: Sequence[Sequence[int]], count: int, length: float) -> float:
    """As a fraction of the line: the mean distance within words, else an even share."""
    steps = [b - a for word_columns in columns for a, b in pairwise(word_columns)]
    return (fmean(steps) if steps else length / count) / length


def _project(spans: Any, corners: Any) -> list[list[list[float]]]:
    """Polygons of parts of a line, which are given from 0 to 1 along it."""
    to_image = cv2.getPerspectiveTransform(_UNIT_SQUARE, np.asarray(corners, dtype=np.float32))
    points = np.array([[(a, 0), (b, 0), (b, 1), (a, 1)] for a, b in spans], dtype=np.float64)
    projected = cv2.perspectiveTransform(points.reshape(-1, 1, 2), to_image)
    return projected.reshape(-1, 4, 2).tolist()
