"""One page with RapidOCR's networks: areas, which way they run, what stands in them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.confusions import resolve_confusions
from ocrstream_worker.engines.line_crops import cut, pieces
from ocrstream_worker.engines.line_directions import OrientedArea, turn_and_skew
from ocrstream_worker.engines.lines import Line, is_unspaced
from ocrstream_worker.engines.page_areas import find_page_areas
from ocrstream_worker.engines.port import Preprocessing, RgbImage
from ocrstream_worker.engines.rapidocr_networks import RapidOcrNetworks, Read
from ocrstream_worker.engines.rapidocr_words import split_line
from ocrstream_worker.engines.results import RecognizedPage
from ocrstream_worker.engines.text_map import TextMap
from ocrstream_worker.engines.vertical_lines import to_horizontal_line

# Paper before and behind a line, in shares of its height: without, first and last letters suffer.
_MARGIN = 0.1
# How many lines tell which way up a page is, the longest ones.
_VOTERS = 12
# As sure as the classifier must be of a page on average, else some lines are read both ways.
_SURE_VOTE = 0.6
_READ_VOTERS = 4
# Of 400 clean lines, half of them single words, 95 in 100 had less than the first when they were
# read upside down, and half of them less than 0.72. Read upright, 95 in 100 had more than it, and
# all had more than the second.
_UNDOUBTED = 0.97
_DOUBTED = 0.85
_SURELY_UPRIGHT = 0.8
# By so much the other way up must be read better.
_CLEARLY = 0.03
# A narrow area across the page may be a lone figure, as high as that many times its width.
_CHARACTER_RATIO = 3.0
# What was taken for a line across the page is a column of a table if its cells, read surely as the
# page is read, have so much of its text.
_CELLS_SHARE = 0.8
# A column that is set to run to the right is read so surely if its characters are upright, and is
# taken if it is not less sure by more: it holds marks that are lost on their side.
_UPRIGHT_CHARACTERS = 0.8
_MARKS_COST = 0.04

_UNREAD = Read("", 0.0, None)


@dataclass
class _Line:
    area: OrientedArea
    crop: RgbImage
    read: Read = _UNREAD
    vertical: bool = False

    @property
    def runs_down(self) -> bool:
        """Whether it is a column on the page as it came, of writing that may run downwards."""
        letters = [one for one in self.read.text if one.isalnum()]
        unspaced = sum(map(is_unspaced, letters))
        return 2 * unspaced > len(letters) and self.area.direction[1] > 0.9

    def turned(self) -> "_Line":
        return _Line(self.area.reversed(), np.ascontiguousarray(np.rot90(self.crop, 2)))


class PageRecognizer:
    """Reads pages. `threshold`: areas that detection is less sure of are no text."""

    def __init__(self, networks: RapidOcrNetworks, threshold: float) -> None:
        self._networks = networks
        self._threshold = threshold

    def read(self, image: RgbImage) -> RecognizedPage:
        """All lines with their words, also those that nobody can be sure of, and blank ones."""
        clock = _Clock()
        found = find_page_areas(image, self._networks.detect, self._threshold)
        clock.lap("detect")
        page = found.direction
        lines = [_Line(area, cut(image, area.widened(_MARGIN))) for area in found.areas]
        if self._is_upside_down(lines):
            page = -page
            lines = [line.turned() for line in lines]
        clock.lap("orient")
        self._read(lines)
        lines = _without_rivals(self._read_again(lines, image, page), found.rivals)
        self._read_columns(lines)
        clock.lap("recognize")
        return RecognizedPage(
            lines=[_as_line(line) for line in lines],
            treatment=_treatment(lines, page, found.text),
            timings_s=clock.seconds,
        )

    def _is_upside_down(self, lines: Sequence[_Line]) -> bool:
        """Whether most of the page is, as the longest of its lines say."""
        of_page = [line for line in lines if not line.area.aside]
        voters = sorted(of_page, key=lambda line: line.area.length, reverse=True)[:_VOTERS]
        if not voters:
            return False
        weights = [line.area.length for line in voters]
        vote = np.average([self._face(line) for line in voters], weights=weights)
        if abs(vote) >= _SURE_VOTE:
            return bool(vote < 0)
        few = voters[:_READ_VOTERS]
        turned = [line.turned() for line in few]
        self._read([*few, *turned])
        return _sureness(turned) > _sureness(few)

    def _face(self, line: _Line) -> float:
        """From 1 (upright) to -1 (upside down)."""
        return 1 - 2 * float(np.mean(self._networks.upside_down(list(pieces(line.crop)))))

    def _read(self, lines: Sequence[_Line]) -> None:
        reads = self._networks.read([line.crop for line in lines])
        for line, read in zip(lines, reads, strict=True):
            line.read = read

    def _read_again(
        self, lines: Sequence[_Line], image: RgbImage, page: NDArray[np.float64]
    ) -> list[_Line]:
        """Those that read badly are read from the other end, too, and the better reading is kept.

        What may be a lone figure is read as the page is, too, and taken for one if that is as good.
        """
        doubted: dict[int, _Line] = {}
        for number, line in enumerate(lines):
            if line.area.aside and line.area.length < _CHARACTER_RATIO * line.area.height:
                area = line.area.stood_up(page)
                doubted[number] = _Line(area, cut(image, area.widened(_MARGIN)))
            elif self._is_doubtful(line):
                doubted[number] = line.turned()
        self._read(list(doubted.values()))
        return [_better(line, doubted.get(n)) for n, line in enumerate(lines)]

    def _read_columns(self, lines: Sequence[_Line]) -> None:
        """Reads Chinese and Japanese that runs downwards once more, set to run to the right."""
        columns = [line for line in lines if line.runs_down]
        set_anew = [
            to_horizontal_line(np.ascontiguousarray(np.rot90(one.crop, 3))) for one in columns
        ]
        readable = [one for one in zip(columns, set_anew, strict=True) if one[1] is not None]
        reads = self._networks.read([crop for _, crop in readable if crop is not None])
        for (line, _), read in zip(readable, reads, strict=True):
            line.vertical = read.confidence > _UPRIGHT_CHARACTERS
            surer = read.confidence > line.read.confidence - _MARKS_COST
            if line.vertical and surer and len(read.text) >= len(line.read.text):
                line.read = read

    def _is_doubtful(self, line: _Line) -> bool:
        if line.read.confidence >= _UNDOUBTED:
            return False
        face = self._face(line)
        return face < (_SURELY_UPRIGHT if line.read.confidence < _DOUBTED else 0)


def _as_line(line: _Line) -> Line:
    crop = line.area.widened(_MARGIN)
    text = resolve_confusions(line.read.text)
    words = split_line(line.read.text, line.read.words, crop.corners)
    # They hold the line's characters, but for its blanks.
    characters = iter("".join(text.split()))
    words = [replace(word, text="".join(islice(characters, len(word.text)))) for word in words]
    return Line(text, line.read.confidence, line.area.corners.tolist(), words)


def _treatment(lines: Sequence[_Line], page: NDArray[np.float64], text: TextMap) -> Preprocessing:
    turn, skew = turn_and_skew(page)
    vertical = [line.vertical for line in lines if not line.area.aside]
    return Preprocessing(
        # A page whose columns run downwards is not turned.
        turn=0 if 2 * sum(vertical) > len(vertical) else turn,
        skew=round(skew, 2),
        turned_lines=sum(float(line.area.direction @ page) < -0.5 for line in lines),
        tiles=text.windows,
        shrink=round(max(1.0, text.scale), 3),
    )


def _better(line: _Line, other: _Line | None) -> _Line:
    if other is None:
        return line
    stood_up = line.area.aside and not other.area.aside
    least = line.read.confidence + (-_CLEARLY if stood_up else _CLEARLY)
    return other if other.read.confidence > least else line


def _without_rivals(lines: Sequence[_Line], rivals: Sequence[tuple[int, list[int]]]) -> list[_Line]:
    """The lines without those that are none; see `PageAreas`.

    Cells of a table are read well as the page is read, and pieces of a line across it are not.
    """
    lost: set[int] = set()
    for whole, parts in rivals:
        characters = len("".join(lines[whole].read.text.split()))
        cells = [lines[n].read for n in parts if not lines[n].area.aside]
        sure = sum(len(cell.text) for cell in cells if cell.confidence >= _DOUBTED)
        lost.update([whole] if sure >= _CELLS_SHARE * characters else parts)
    return [line for n, line in enumerate(lines) if n not in lost]


def _sureness(lines: Sequence[_Line]) -> float:
    return sum(line.read.confidence * line.area.length for line in lines)


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)
    _begun: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._begun
        self._begun = now
