"""Tesseract as installed on the system: over a hundred languages, several at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ocrstream_worker.engines.deskew import (
    DeskewedPage,
    add_margin,
    enlarge,
    estimate_skew,
    rotate_and_deskew,
)
from ocrstream_worker.engines.errors import EngineUnavailableError, ModelsMissingError
from ocrstream_worker.engines.illumination import correct_illumination
from ocrstream_worker.engines.languages import find_language
from ocrstream_worker.engines.lines import Corners, Line, Word, box_corners, join_words
from ocrstream_worker.engines.model_files import hash_files
from ocrstream_worker.engines.port import (
    RECOGNITION_VERSION,
    TURNS,
    EngineInfo,
    EngineSettings,
    Preprocessing,
    RecognitionFailure,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
    Turn,
)
from ocrstream_worker.engines.resizing import resize_to_limits
from ocrstream_worker.engines.result_warnings import RecognitionModel
from ocrstream_worker.engines.results import RecognizedPage, to_recognition
from ocrstream_worker.engines.ruled_lines import without_ruled_lines
from ocrstream_worker.engines.tesseract_library import TesseractLibrary

# Tesseract rejects longer sides, and images of a few pixels.
_MAX_SIDE = 32_000
_MIN_SIDE = 32
_MAX_RATIO = 1_000.0
_LINE, _WORD = 4, 5
# Below both limits, of the orientation and of the text, the other orientations are tried too.
_CERTAIN_ORIENTATION = 5.0
_GOOD_CONFIDENCE = 0.75
# A line below the first confidence is read upside down too; that must be better by the second.
_DOUBTFUL = 0.6
_CLEARLY_BETTER = 0.2
# Pixels of paper around a line and around the page: Tesseract does not read letters at an edge.
_PAGE_MARGIN = 10
# Lines lower than this many pixels are read again on an enlarged page.
_SMALL_HEIGHT = 28
_ENLARGEMENT = 2
_REDUCTION = (1 / _ENLARGEMENT, 1 / _ENLARGEMENT)


class TesseractEngine:
    """Recognises lines and words of pages, turned upright first, one by one, on the CPU.

    Its models are those of `OCRSTREAM_LANGUAGES`, in that order; the first is the likeliest.
    """

    def __init__(self, settings: EngineSettings) -> None:
        if settings.device != "cpu" and not settings.allow_cpu:
            raise EngineUnavailableError(
                f"Tesseract computes on the CPU only, and OCRSTREAM_ENGINE_DEVICE is"
                f" {settings.device}. Unset it, or set OCRSTREAM_ALLOW_CPU=true"
            )
        self._min_confidence = settings.min_confidence
        try:
            self._library = TesseractLibrary(model_names(settings.languages), settings.threads)
        except ModelsMissingError as error:
            packages = (f"tesseract-ocr-{name.replace('_', '-')}" for name in error.models)
            raise EngineUnavailableError(
                f"{error}. On Debian: apt-get install {' '.join(packages)}. Elsewhere: put their"
                " .traineddata files there, or set TESSDATA_PREFIX to where they are"
            ) from error
        self._model = RecognitionModel("tesseract", "+".join(model_names(settings.languages)))
        self.info = EngineInfo(
            name="tesseract",
            versions={"ocrstream": RECOGNITION_VERSION, "tesseract": self._library.version},
            device="cpu",
            models=hash_files(self._library.model_files),
        )

    def warm_up(self) -> None:
        """Loads nothing: the models are loaded from the start."""

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _recognize_one(self, image: RgbImage, options: RecognitionOptions) -> RecognitionOutcome:
        started_at = time.perf_counter()
        resized = resize_to_limits(
            add_margin(correct_illumination(image), _PAGE_MARGIN),
            min_side=_MIN_SIDE,
            max_side=_MAX_SIDE,
            max_ratio=_MAX_RATIO,
        )
        found = self._recognize_upright(resized.pixels)
        if found is None:
            return RecognitionFailure(error="Tesseract failed on the image")
        recognized_page = RecognizedPage(
            [_scaled(line, resized.scale, -_PAGE_MARGIN) for line in found.lines],
            Preprocessing(turn=found.turn, skew=found.skew, shrink=round(max(resized.scale), 3)),
            {"recognize": time.perf_counter() - started_at},
        )
        return to_recognition(
            recognized_page,
            image,
            options,
            info=self.info,
            model=self._model,
            min_confidence=self._min_confidence,
        )

    def _recognize_upright(self, page: RgbImage) -> "_PageCandidate | None":
        """The page's lines as read upright; None if Tesseract failed."""
        found = self._best_orientation(page)
        if found is None:
            return None
        found = self._retry_enlarged(found)
        lines = [self._turned_if_better(found.page.pixels, line) for line in found.lines]
        return replace(found, lines=[_moved(line, found.page.map_to_original) for line in lines])

    def _best_orientation(self, page: RgbImage) -> "_PageCandidate | None":
        skew = estimate_skew(page)
        turn, certainty = self._library.detect_orientation(rotate_and_deskew(page, 0, skew).pixels)
        first = self._recognize_turned(page, turn, skew)
        if first is None or first.confidence >= _GOOD_CONFIDENCE:
            return first
        if turn == 0 and certainty >= _CERTAIN_ORIENTATION:
            return first
        others = (self._recognize_turned(page, other, skew) for other in TURNS if other != turn)
        return max([first, *filter(None, others)], key=lambda one: one.weight)

    def _recognize_turned(self, page: RgbImage, turn: Turn, skew: float) -> "_PageCandidate | None":
        upright_page = rotate_and_deskew(page, turn, skew)
        upright_page = replace(upright_page, pixels=without_ruled_lines(upright_page.pixels))
        lines = self._recognize_lines(upright_page.pixels)
        if lines is None:
            return None
        return _PageCandidate(lines, upright_page, turn, skew)

    def _retry_enlarged(self, found: "_PageCandidate") -> "_PageCandidate":
        """Reads a page with small lines again, twice as large, and keeps the better result."""
        if not _are_small(found.lines):
            return found
        lines = self._recognize_lines(enlarge(found.page.pixels, _ENLARGEMENT)) or ()
        larger = replace(found, lines=[_scaled(line, _REDUCTION) for line in lines])
        return max(larger, found, key=lambda one: one.weight)

    def _recognize_lines(self, page: RgbImage) -> list[Line] | None:
        # The layout analysis overlooks a single line, above all a Korean one.
        for segmentation in ("automatic", "column"):
            found = self._library.recognize(page, segmentation)
            if found is None:
                return None
            if lines := list(parse_tsv(found)):
                return lines
        return []

    def _turned_if_better(self, page: RgbImage, line: Line) -> Line:
        """Reads a doubtful line upside down too, and keeps the better text."""
        if line.confidence >= _DOUBTFUL:
            return line
        (left, top), _, (right, bottom), _ = (map(round, point) for point in line.corners)
        crop = np.pad(
            page[top:bottom, left:right],
            ((_PAGE_MARGIN, _PAGE_MARGIN), (_PAGE_MARGIN, _PAGE_MARGIN), (0, 0)),
            mode="edge",
        )
        found = self._library.recognize(np.rot90(crop, 2), "line")
        read = next(parse_tsv(found or ""), None)
        if read is None or read.confidence < line.confidence + _CLEARLY_BETTER:
            return line
        return _moved(
            read,
            lambda corners: [
                (right + _PAGE_MARGIN - x, bottom + _PAGE_MARGIN - y) for x, y in corners
            ],
        )


@dataclass(frozen=True)
class _PageCandidate:
    """The lines of a page in one orientation, and the turned page."""

    lines: list[Line]
    page: DeskewedPage
    turn: Turn
    skew: float

    @property
    def weight(self) -> float:
        """The confidence of all characters, added up."""
        return sum(line.confidence * len(line.text) for line in self.lines)

    @property
    def confidence(self) -> float:
        """The mean confidence of a character."""
        return self.weight / (sum(len(line.text) for line in self.lines) or 1)


def _are_small(lines: Sequence[Line]) -> bool:
    """Whether half of the lines are lower than Tesseract reads well."""
    heights = sorted(line.corners[2][1] - line.corners[0][1] for line in lines)
    return bool(heights) and heights[len(heights) // 2] < _SMALL_HEIGHT


def _moved(line: Line, move: Callable[[Corners], Corners]) -> Line:
    words = [replace(word, corners=move(word.corners)) for word in line.words]
    return replace(line, corners=move(line.corners), words=words)


def _scaled(line: Line, scale: tuple[float, float], offset: float = 0) -> Line:
    return _moved(
        line,
        lambda corners: [(x * scale[0] + offset, y * scale[1] + offset) for x, y in corners],
    )


def model_names(languages: Sequence[str]) -> tuple[str, ...]:
    """Tesseract's names for the languages; an unknown name stays as it is."""
    known = {name: find_language(name) for name in languages}
    return tuple(
        dict.fromkeys(name if one is None else one.tesseract for name, one in known.items())
    )


class _Row(NamedTuple):
    level: int
    line: tuple[str, ...]
    box: list[tuple[float, float]]
    confidence: float
    text: str


def parse_tsv(tsv: str) -> Iterator[Line]:
    """The lines in Tesseract's tab-separated values.

    A row is level, page, block, paragraph, line, word, left, top, width, height, confidence in
    percent, text. A line's row precedes those of its words.
    """
    rows = (_parse_row(row) for row in tsv.splitlines())
    pieces = (row for row in rows if row.level in (_LINE, _WORD))
    for _, group in groupby(pieces, key=lambda row: row.line):
        line, *rest = group
        words = [Word(row.text, row.confidence, row.box) for row in rest if row.text.strip()]
        if words:
            yield join_words(words, line.box)


def _parse_row(row: str) -> _Row:
    level, *fields = row.split("\t", 11)
    left, top, width, height = (int(field) for field in fields[5:9])
    return _Row(
        level=int(level),
        line=tuple(fields[:4]),
        box=box_corners(left, top, left + width, top + height),
        confidence=float(fields[9]) / 100,
        text=fields[10],
    )
