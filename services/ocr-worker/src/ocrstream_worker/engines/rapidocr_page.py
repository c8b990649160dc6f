"""Recognises one page with RapidOCR's networks: its areas, their directions, their text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.confusions import resolve_confusions
from ocrstream_worker.engines.line_crops import crop_line, orientation_samples
from ocrstream_worker.engines.line_directions import OrientedArea, turn_and_skew
from ocrstream_worker.engines.lines import Line, is_unspaced
from ocrstream_worker.engines.page_areas import find_page_areas
from ocrstream_worker.engines.port import Preprocessing, RgbImage
from ocrstream_worker.engines.rapidocr_networks import RapidOcrNetworks, RecognizedText
from ocrstream_worker.engines.rapidocr_words import split_line
from ocrstream_worker.engines.results import RecognizedPage
from ocrstream_worker.engines.text_map import TextMap
from ocrstream_worker.engines.vertical_lines import to_horizontal_line

# Paper before and behind a line, as a fraction of its height; the outer letters need it.
_MARGIN = 0.1
# The number of lines, the longest ones, that vote on the page's orientation.
_VOTERS = 12
# Below this mean vote of the classifier some lines are recognised both ways up.
_SURE_VOTE = 0.6
_RECOGNIZED_VOTERS = 4
# Confidences, measured on 400 clean lines, half of them single words. Upside down, 95 in 100 had
# less than the first, and half of them less than 0.72. Upright, 95 in 100 had more than the first,
# and all had more than the second.
_CERTAIN = 0.97
_DOUBTFUL = 0.85
_SURELY_UPRIGHT = 0.8
# The confidence by which the other way up must be better.
_CLEARLY_BETTER = 0.03
# A perpendicular area may be a single character up to this ratio of its sides.
_SINGLE_CHARACTER_RATIO = 3.0
# A line across the page is a column of a table if its cells, recognised with certainty in the
# page's direction, have this fraction of its text.
_CELLS_SHARE = 0.8
# A column set to run to the right has upright characters above the first confidence. It is taken
# even if its confidence is lower by up to the second: it keeps marks that are lost on their side.
_UPRIGHT_CHARACTERS = 0.8
_MARKS_COST = 0.04

_NO_TEXT = RecognizedText("", 0.0, None)


@dataclass
class _LineCandidate:
    """A line's area and pixels, and its text once it is recognised."""

    area: OrientedArea
    crop: RgbImage
    result: RecognizedText = _NO_TEXT
    vertical: bool = False

    @property
    def runs_down(self) -> bool:
        """Whether it is a column on the original page, of a script that may run downwards."""
        letters = [one for one in self.result.text if one.isalnum()]
        unspaced = sum(map(is_unspaced, letters))
        return 2 * unspaced > len(letters) and self.area.direction[1] > 0.9

    def turned(self) -> "_LineCandidate":
        return _LineCandidate(self.area.reversed(), np.ascontiguousarray(np.rot90(self.crop, 2)))


class PageRecognizer:
    """Recognises pages; `threshold` is the least score of an area."""

    def __init__(self, networks: RapidOcrNetworks, threshold: float) -> None:
        self._networks = networks
        self._threshold = threshold

    def recognize(self, image: RgbImage) -> RecognizedPage:
        """Returns all lines with their words, including doubtful and blank ones."""
        timer = _StepTimer()
        found = find_page_areas(image, self._networks.detect, self._threshold)
        timer.lap("detect")
        page = found.direction
        lines = [
            _LineCandidate(area, crop_line(image, area.padded(_MARGIN))) for area in found.areas
        ]
        if self._is_upside_down(lines):
            page = -page
            lines = [line.turned() for line in lines]
        timer.lap("orient")
        self._recognize(lines)
        lines = _without_alternatives(self._retry_doubtful(lines, image, page), found.alternatives)
        self._retry_columns(lines)
        timer.lap("recognize")
        return RecognizedPage(
            lines=[_as_line(line) for line in lines],
            preprocessing=_preprocessing(lines, page, found.text),
            timings_s=timer.seconds,
        )

    def _is_upside_down(self, lines: Sequence[_LineCandidate]) -> bool:
        """Whether the page is upside down, by a vote of its longest lines."""
        of_page = [line for line in lines if not line.area.perpendicular]
        voters = sorted(of_page, key=lambda line: line.area.length, reverse=True)[:_VOTERS]
        if not voters:
            return False
        weights = [line.area.length for line in voters]
        vote = np.average([self._uprightness(line) for line in voters], weights=weights)
        if abs(vote) >= _SURE_VOTE:
            return bool(vote < 0)
        few = voters[:_RECOGNIZED_VOTERS]
        turned = [line.turned() for line in few]
        self._recognize([*few, *turned])
        return _weighted_confidence(turned) > _weighted_confidence(few)

    def _uprightness(self, line: _LineCandidate) -> float:
        """From 1 (upright) to -1 (upside down)."""
        return 1 - 2 * float(
            np.mean(self._networks.upside_down_scores(list(orientation_samples(line.crop))))
        )

    def _recognize(self, lines: Sequence[_LineCandidate]) -> None:
        results = self._networks.recognize([line.crop for line in lines])
        for line, result in zip(lines, results, strict=True):
            line.result = result

    def _retry_doubtful(
        self, lines: Sequence[_LineCandidate], image: RgbImage, page: NDArray[np.float64]
    ) -> list[_LineCandidate]:
        """Recognises doubtful lines from the other end too, and keeps the better text.

        A line that may be a single character is also read in the page's direction, and is taken for
        one if that is as good.
        """
        retried: dict[int, _LineCandidate] = {}
        for number, line in enumerate(lines):
            if (
                line.area.perpendicular
                and line.area.length < _SINGLE_CHARACTER_RATIO * line.area.height
            ):
                area = line.area.aligned_with(page)
                retried[number] = _LineCandidate(area, crop_line(image, area.padded(_MARGIN)))
            elif self._is_doubtful(line):
                retried[number] = line.turned()
        self._recognize(list(retried.values()))
        return [_choose(line, retried.get(n)) for n, line in enumerate(lines)]

    def _retry_columns(self, lines: Sequence[_LineCandidate]) -> None:
        """Recognises vertical Chinese and Japanese again, set to run to the right."""
        columns = [line for line in lines if line.runs_down]
        horizontal = [
            to_horizontal_line(np.ascontiguousarray(np.rot90(one.crop, 3))) for one in columns
        ]
        readable = [one for one in zip(columns, horizontal, strict=True) if one[1] is not None]
        results = self._networks.recognize([crop for _, crop in readable if crop is not None])
        for (line, _), result in zip(readable, results, strict=True):
            line.vertical = result.confidence > _UPRIGHT_CHARACTERS
            is_as_good = result.confidence > line.result.confidence - _MARKS_COST
            if line.vertical and is_as_good and len(result.text) >= len(line.result.text):
                line.result = result

    def _is_doubtful(self, line: _LineCandidate) -> bool:
        if line.result.confidence >= _CERTAIN:
            return False
        uprightness = self._uprightness(line)
        return uprightness < (_SURELY_UPRIGHT if line.result.confidence < _DOUBTFUL else 0)


def _as_line(line: _LineCandidate) -> Line:
    crop = line.area.padded(_MARGIN)
    text = resolve_confusions(line.result.text)
    words = split_line(line.result.text, line.result.words, crop.corners)
    # The words hold the line's characters without its spaces.
    characters = iter("".join(text.split()))
    words = [replace(word, text="".join(islice(characters, len(word.text)))) for word in words]
    return Line(text, line.result.confidence, line.area.corners.tolist(), words)


def _preprocessing(
    lines: Sequence[_LineCandidate], page: NDArray[np.float64], text: TextMap
) -> Preprocessing:
    turn, skew = turn_and_skew(page)
    vertical = [line.vertical for line in lines if not line.area.perpendicular]
    return Preprocessing(
        # A page of vertical columns is not turned.
        turn=0 if 2 * sum(vertical) > len(vertical) else turn,
        skew=round(skew, 2),
        turned_lines=sum(float(line.area.direction @ page) < -0.5 for line in lines),
        tiles=text.windows,
        shrink=round(max(1.0, text.scale), 3),
    )


def _choose(line: _LineCandidate, other: _LineCandidate | None) -> _LineCandidate:
    if other is None:
        return line
    aligned = line.area.perpendicular and not other.area.perpendicular
    least = line.result.confidence + (-_CLEARLY_BETTER if aligned else _CLEARLY_BETTER)
    return other if other.result.confidence > least else line


def _without_alternatives(
    lines: Sequence[_LineCandidate], alternatives: Sequence[tuple[int, list[int]]]
) -> list[_LineCandidate]:
    """Removes the lines that are not text; see `PageAreas.alternatives`.

    Cells of a table read well in the page's direction; pieces of a line across the page do not.
    """
    lost: set[int] = set()
    for whole, parts in alternatives:
        characters = len("".join(lines[whole].result.text.split()))
        cells = [lines[n].result for n in parts if not lines[n].area.perpendicular]
        sure = sum(len(cell.text) for cell in cells if cell.confidence >= _DOUBTFUL)
        lost.update([whole] if sure >= _CELLS_SHARE * characters else parts)
    return [line for n, line in enumerate(lines) if n not in lost]


def _weighted_confidence(lines: Sequence[_LineCandidate]) -> float:
    return sum(line.result.confidence * line.area.length for line in lines)


@dataclass
class _StepTimer:
    seconds: dict[str, float] = field(default_factory=dict)
    _lap_started_at: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._lap_started_at
        self._lap_started_at = now
