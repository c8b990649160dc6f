"""One page with RapidOCR's networks: areas, which way they run, what stands in them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ocrstream_worker.engines.line_crops import cut, pieces
from ocrstream_worker.engines.line_directions import (
    DirectedArea,
    direct,
    page_direction,
    turn_and_skew,
)
from ocrstream_worker.engines.lines import Line
from ocrstream_worker.engines.port import RgbImage, Treatment
from ocrstream_worker.engines.rapidocr_networks import RapidOcrNetworks, Read
from ocrstream_worker.engines.rapidocr_words import split_line
from ocrstream_worker.engines.text_areas import Area, find_areas
from ocrstream_worker.engines.text_map import map_large_text, map_text

# Letters higher than that are found in pieces at the scale at which small ones are found.
_LARGE_HEIGHT = 240
# How many lines tell which way up a page is, the longest ones.
_VOTERS = 12
# As sure as the classifier must be of a page on average, else some lines are read both ways.
_SURE_VOTE = 0.6
_READ_VOTERS = 4
# Of clean lines read upside down 95 in 100 have a confidence below the first, and half of them one
# below 0.72; of those read upright nine in ten have one above it, and hardly one is below the second.
_UNDOUBTED = 0.97
_DOUBTED = 0.85
_SURELY_UPRIGHT = 0.8
# By so much the other way up must be read better.
_CLEARLY = 0.03


@dataclass
class _Line:
    area: DirectedArea
    crop: RgbImage
    read: Read = Read("", 0.0, None)

    def turned(self) -> "_Line":
        return _Line(self.area.reversed(), np.ascontiguousarray(np.rot90(self.crop, 2)))


@dataclass(frozen=True)
class PageReading:
    """Lines in no order yet, what was done to read them, and the seconds of each step."""

    lines: list[Line]
    treatment: Treatment
    timings_s: dict[str, float]


class PageReader:
    """Reads pages. `threshold`: areas that detection is less sure of are no text."""

    def __init__(self, networks: RapidOcrNetworks, threshold: float) -> None:
        self._networks = networks
        self._threshold = threshold

    def read(self, image: RgbImage, *, words: bool) -> PageReading:
        """All lines, also those that nobody can be sure of."""
        clock = _Clock()
        text = map_text(image, self._networks.detect)
        areas = find_areas(text, self._threshold)
        if text.windows > 1:
            large = find_areas(map_large_text(image, self._networks.detect), self._threshold)
            areas = _with_large(areas, [area for area in large if area.height > _LARGE_HEIGHT])
        clock.lap("detect")
        page = page_direction(areas)
        lines = [_Line(one, cut(image, one)) for one in (direct(area, page) for area in areas)]
        if self._is_upside_down(lines):
            page = -page
            lines = [line.turned() for line in lines]
        clock.lap("orient")
        self._read(lines, words)
        lines = self._read_again(lines, words)
        clock.lap("recognize")
        turn, skew = turn_and_skew(page)
        return PageReading(
            lines=[
                Line(
                    line.read.text,
                    line.read.confidence,
                    line.area.corners.tolist(),
                    split_line(line.read.text, line.read.words, line.area.corners),
                )
                for line in lines
                if line.read.text
            ],
            treatment=Treatment(
                turn=turn,
                skew=round(skew, 2),
                turned_lines=sum(float(line.area.direction @ page) < -0.5 for line in lines),
                tiles=text.windows,
                shrink=round(text.scale, 3),
            ),
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
        self._read([*few, *turned], words=False)
        return _sureness(turned) > _sureness(few)

    def _face(self, line: _Line) -> float:
        """From 1 (upright) to -1 (upside down)."""
        return 1 - 2 * float(np.mean(self._networks.upside_down(list(pieces(line.crop)))))

    def _read(self, lines: Sequence[_Line], words: bool) -> None:
        for line, read in zip(
            lines, self._networks.read([line.crop for line in lines], words=words), strict=True
        ):
            line.read = read

    def _read_again(self, lines: Sequence[_Line], words: bool) -> list[_Line]:
        """Those that read badly are read from the other end, too; the better reading is kept."""
        doubted = {n: line.turned() for n, line in enumerate(lines) if self._is_doubtful(line)}
        self._read(list(doubted.values()), words)
        return [
            doubted[n]
            if n in doubted and doubted[n].read.confidence > line.read.confidence + _CLEARLY
            else line
            for n, line in enumerate(lines)
        ]

    def _is_doubtful(self, line: _Line) -> bool:
        if line.read.confidence >= _UNDOUBTED:
            return False
        face = self._face(line)
        return face < (_SURELY_UPRIGHT if line.read.confidence < _DOUBTED else 0)


def _with_large(areas: Sequence[Area], large: Sequence[Area]) -> list[Area]:
    """The areas, and large ones in place of the pieces of them that were found."""
    left = [area for area in areas if not any(_holds(one, area.center) for one in large)]
    return [*left, *large]


def _holds(area: Area, point: np.ndarray) -> bool:
    x, y = area.along
    across, along = np.array([-y, x]) @ (point - area.center), area.along @ (point - area.center)
    return abs(along) <= area.length / 2 and abs(across) <= area.height / 2


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
