"""Detects results of pages that the model cannot read.

A model that lacks a script does not say so. On such a line it returns nothing, far too few
characters, or wrong ones with a low confidence; it reads the numbers in between well. So numbers
are ignored, and the rest of the page has a readability from 0 to 1: the mean confidence weighted by
length, where missing text counts as 0. The limits come from drawn pages, see
docs/adr/0054-warnings.md.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ocrstream_schemas.events import ResultWarning, WarningCode
from ocrstream_worker.engines.coverage import Coverage
from ocrstream_worker.engines.lines import Corners, Line
from ocrstream_worker.engines.port import EngineName

# The readability below which words are wrong, by engine, because confidences differ; docTR's could
# not be measured, and noop reads everything.
_CLEAR: dict[EngineName, float] = {
    "rapidocr": 0.9,
    "tesseract": 0.8,
    "doctr": 0.7,
    "noop": 0.0,
}
# Large text in a script that the model has is rarely below this, however faint.
_OTHER_SCRIPT = 0.75
_LARGE_PX = 18.0
# Letters per line height. Wide letters are about as wide as high, so fewer are not the line's text.
_LEAST_DENSITY = 0.35
_LEAST_DENSITY_FROM = 2.0
# A shorter blank, about as long as high, may be a picture.
_LEAST_BLANK = 1.5
# The margin that detection adds around the ink of a line, in heights.
_MARGIN = 1.0
# Pieces lower than this fraction of the median are rules or specks.
_LEAST_HEIGHT = 0.5
# In line heights; less than a letter or two is not worth a warning.
_LEAST_LENGTH = 1.0
# From this ratio of height to width text is vertical.
_VERTICAL_RATIO = 1.5
# The detected height of lines with letters of three or four pixels.
_SMALL_PX = 14.0
_LEAST_HALF_KNOWN_WORDS = 2
_LEAST_HALF_KNOWN_SHARE = 0.05

_TESSERACT = (
    "OCRSTREAM_ENGINE=tesseract with the page's language in OCRSTREAM_LANGUAGES (like ko) may read"
    " it"
)
_ADVICE: dict[EngineName, str] = {
    "rapidocr": f"{_TESSERACT}, or RapidOCR's recogniser for that script (like"
    " korean_PP-OCRv5_rec_mobile.onnx)",
    "tesseract": "Tesseract's model of the page's language, named in OCRSTREAM_LANGUAGES (like ko,"
    " Debian's tesseract-ocr-kor), may read it, or OCRSTREAM_ENGINE=rapidocr if it is Chinese or"
    " Japanese",
    "doctr": f"{_TESSERACT}, or a recogniser whose vocabulary has its letters",
    "noop": _TESSERACT,
}


@dataclass(frozen=True)
class RecognitionModel:
    """The model that read the page; `coverage` is None if its characters are unknown."""

    engine: EngineName
    name: str
    coverage: Coverage | None = None


@dataclass(frozen=True)
class _Piece:
    """Text, or a place where text is missing: `length` in heights, `height` in pixels."""

    certainty: float
    length: float
    height: float


def find_warnings(
    lines: Sequence[Line], model: RecognitionModel, *, min_confidence: float
) -> tuple[ResultWarning, ...]:
    """The warnings about a result; mostly none.

    `lines` are all that the recogniser returned, blank ones and those below `min_confidence`
    included.
    """
    found = (
        _half_known(lines, model) or _unreadable(lines, model, min_confidence),
        _small(lines),
    )
    return tuple(warning for warning in found if warning is not None)


def _unreadable(
    lines: Sequence[Line], model: RecognitionModel, min_confidence: float
) -> ResultWarning | None:
    """Warns of a page whose readability is low."""
    pieces = _text_pieces(lines)
    length = sum(piece.length for piece in pieces)
    if length < _LEAST_LENGTH:
        return None
    readability = sum(piece.length * piece.certainty for piece in pieces) / length
    if readability >= _CLEAR[model.engine]:
        return None
    left_out = sum(line.confidence < min_confidence or not line.text.strip() for line in lines)
    seen = (
        f"Text other than numbers has a mean confidence of {readability:.2f}, with missing text"
        f" counted as 0, and {left_out} of {len(lines)} lines were left out"
    )
    large = median(piece.height for piece in pieces) >= _LARGE_PX
    if large and readability < _OTHER_SCRIPT:
        code = WarningCode.UNREADABLE_SCRIPT
        guess = f"the page seems to be in a script that {_describe_model(model)} does not read"
    else:
        code = WarningCode.LOW_CONFIDENCE
        guess = (
            f"the page is hard to see, or in a language that {_describe_model(model)} does not read"
        )
    return ResultWarning(code=code, detail=f"{seen}: {guess}; {_ADVICE[model.engine]}")


def _small(lines: Sequence[Line]) -> ResultWarning | None:
    """Warns of a page on which most text has too few pixels for any engine."""
    axes = [_Axis.of(line.corners) for line in lines]
    length = sum(axis.length for axis in axes)
    small = [axis for axis in axes if axis.height < _SMALL_PX]
    if not length or 2 * sum(axis.length for axis in small) <= length:
        return None
    return ResultWarning(
        code=WarningCode.SMALL_TEXT,
        detail=f"{len(small)} of {len(lines)} lines are lower than {_SMALL_PX:.0f} pixels, with"
        " letters of 3 or 4; a scan or picture with twice as many pixels reads better",
    )


def _half_known(lines: Sequence[Line], model: RecognitionModel) -> ResultWarning | None:
    """Warns of words in a language whose alphabet the model has only in part."""
    if model.coverage is None:
        return None
    words = [word for line in lines for word in line.text.split() if any(map(str.isalpha, word))]
    found = Counter(
        language
        for word in words
        if (language := model.coverage.unreadable_language(word)) is not None
    )
    least = max(_LEAST_HALF_KNOWN_WORDS, _LEAST_HALF_KNOWN_SHARE * len(words))
    if found.total() < least:
        return None
    language = found.most_common(1)[0][0]
    return ResultWarning(
        code=WarningCode.UNREADABLE_SCRIPT,
        detail=f"{found.total()} of {len(words)} words have letters of {language.name}, whose"
        f" alphabet {_describe_model(model)} has only in part; OCRSTREAM_ENGINE=tesseract with"
        f" OCRSTREAM_LANGUAGES={language.code} (Debian's {language.debian_package}) reads it",
    )


def _text_pieces(lines: Sequence[Line]) -> list[_Piece]:
    pieces = [piece for line in lines for piece in _pieces(line)]
    least = _LEAST_HEIGHT * median([piece.height for piece in pieces] or [0.0])
    return [piece for piece in pieces if piece.height >= least and piece.length > 0]


def _pieces(line: Line) -> Iterator[_Piece]:
    """The line's words except numbers, and its ends that no word reaches."""
    axis = _Axis.of(line.corners)
    for part in line.words or (line,):
        begin, end = axis.span(part.corners)
        length = (end - begin) / axis.height
        visible = "".join(part.text.split())
        sparse = length > _LEAST_DENSITY_FROM and len(visible) < _LEAST_DENSITY * length
        if not visible or sparse:
            if length >= _LEAST_BLANK:
                yield _Piece(0.0, length, axis.height)
        else:
            letters = sum(map(str.isalpha, visible)) / len(visible)
            yield _Piece(_certainty(part.confidence), length * letters, axis.height)
    if line.words:
        spans = [axis.span(word.corners) for word in line.words]
        gaps = (min(begin for begin, _ in spans), axis.length - max(end for _, end in spans))
        for gap in gaps:
            yield _Piece(0.0, max(gap / axis.height - _MARGIN, 0.0), axis.height)


@dataclass(frozen=True)
class _Axis:
    """The axis of a line: from its first corner to the second, or to the last if vertical."""

    origin: Sequence[float]
    step: tuple[float, float]
    length: float
    height: float

    @classmethod
    def of(cls, corners: Corners) -> "_Axis":
        origin, right, _, below = corners
        width, height = (max(math.dist(origin, corner), 1.0) for corner in (right, below))
        end, length, across = right, width, height
        if height >= _VERTICAL_RATIO * width:
            end, length, across = below, height, width
        step = ((end[0] - origin[0]) / length, (end[1] - origin[1]) / length)
        return cls(origin, step, length, across)

    def span(self, corners: Corners) -> tuple[float, float]:
        """The extent of these corners along the axis, in pixels from the line's origin."""
        places = [
            (x - self.origin[0]) * self.step[0] + (y - self.origin[1]) * self.step[1]
            for x, y in corners
        ]
        return min(places), max(places)


def _certainty(confidence: float) -> float:
    return min(max(confidence, 0.0), 1.0) if math.isfinite(confidence) else 0.0


def _describe_model(model: RecognitionModel) -> str:
    if model.coverage is not None:
        return f"{model.engine}'s {model.name} ({model.coverage.describe()})"
    return f"{model.engine} with {model.name}"
