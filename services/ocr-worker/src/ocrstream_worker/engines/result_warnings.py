"""Whether what a model read says that it cannot read the page.

A model that lacks a script does not say so. Where a line of it stands, it gives nothing, or far too
few characters, or wrong ones that it is not sure of; the numbers in between it reads well. So
numbers tell nothing here, and the rest of the page has a readability from 0 to 1: the mean
confidence by length, with 0 for what gave nothing. The limits come from drawn pages, see
docs/adr/0054-warnings.md.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ocrstream_schemas.events import ResultWarning, WarningCode
from ocrstream_worker.engines.coverage import Coverage
from ocrstream_worker.engines.lines import Line, Word

# Readability below which words are wrong. Engines are sure of themselves in different ways: clean
# pages have 0.95 and more from RapidOCR, 0.9 from Tesseract; docTR's could not be measured.
_CLEAR = {"rapidocr": 0.9, "tesseract": 0.85}
_CLEAR_TO_OTHERS = 0.7
# Large text in a script that the model has is seldom below, however faint.
_OF_ANOTHER_SCRIPT = 0.75
_LARGE_PX = 18.0
# Wide letters are about as wide as their line is high: fewer to this length are not its text.
_LEAST_DENSITY = 0.35
_LEAST_DENSITY_FROM = 2.0
# What is lower than this share of the median is a rule or a speck.
_LEAST_HEIGHT = 0.5
# Less than a word, in line heights, is nothing to warn of.
_LEAST_LENGTH = 2.0
_LEAST_HALF_KNOWN_WORDS = 2
_LEAST_HALF_KNOWN_SHARE = 0.1


@dataclass(frozen=True)
class Reader:
    """What read the page. `coverage` None: nobody can say which characters the model has."""

    engine: str
    model: str
    languages: Sequence[str]
    coverage: Coverage | None = None


@dataclass(frozen=True)
class _Piece:
    """A word, or a line whose words are not known. `length` is in heights, `height` in pixels."""

    text: str
    certainty: float
    length: float
    height: float


def find_warnings(
    lines: Sequence[Line], reader: Reader, *, min_confidence: float
) -> tuple[ResultWarning, ...]:
    """What speaks against the result; nothing mostly, one warning at most.

    `lines` are all that the recogniser gave: blank ones and those below `min_confidence`, too.
    """
    if warning := _half_known(lines, reader):
        return (warning,)
    told = [piece for piece in _text_pieces(lines) if not _is_number(piece.text)]
    length = sum(piece.length for piece in told)
    if length < _LEAST_LENGTH:
        return ()
    readability = sum(piece.length * piece.certainty for piece in told) / length
    if readability >= _CLEAR.get(reader.engine, _CLEAR_TO_OTHERS):
        return ()
    left_out = sum(line.confidence < min_confidence or not line.text.strip() for line in lines)
    seen = (
        f"What is no number was read with a confidence of {readability:.2f} on average, blanks"
        f" counted as 0, and {left_out} of {len(lines)} lines were left out"
    )
    large = median(piece.height for piece in told) >= _LARGE_PX
    if readability < _OF_ANOTHER_SCRIPT and large:
        return (
            ResultWarning(
                code=WarningCode.UNREADABLE_SCRIPT,
                detail=f"{seen}: the page seems to be in a script that {_reads(reader)} does not"
                f" read, or beyond reading; {_ADVICE}",
            ),
        )
    return (
        ResultWarning(
            code=WarningCode.LOW_CONFIDENCE,
            detail=f"{seen}: the page is hard to see, or in a language that {_reads(reader)} does"
            f" not read; a sharper or larger image is read better, and {_ADVICE}",
        ),
    )


_ADVICE = (
    "OCRSTREAM_ENGINE=tesseract with the page's language in OCRSTREAM_LANGUAGES (like ko) reads any"
    " that it has a model for, RapidOCR those of the model that an error then names (like"
    " korean_PP-OCRv5_rec_mobile.onnx)"
)


def _half_known(lines: Sequence[Line], reader: Reader) -> ResultWarning | None:
    """Letters of an alphabet that the model has only in part."""
    if reader.coverage is None:
        return None
    words = [word for line in lines for word in line.text.split() if any(map(str.isalpha, word))]
    letters = reader.coverage.half_known
    found = Counter(
        next(letters[one] for one in word if one in letters).code
        for word in words
        if any(one in letters for one in word)
    )
    for code, count in found.most_common(1):
        if count < max(_LEAST_HALF_KNOWN_WORDS, _LEAST_HALF_KNOWN_SHARE * len(words)):
            return None
        language = next(one for one in reader.coverage.unreadable if one.code == code)
        return ResultWarning(
            code=WarningCode.UNREADABLE_SCRIPT,
            detail=f"{count} of {len(words)} words have letters of {language.name}, whose alphabet"
            f" {_reads(reader)} has only in part; OCRSTREAM_ENGINE=tesseract with"
            f" OCRSTREAM_LANGUAGES={code} (Debian's {language.debian_package}) reads it",
        )
    return None


def _text_pieces(lines: Sequence[Line]) -> list[_Piece]:
    pieces = list(_pieces(lines))
    least = _LEAST_HEIGHT * median([piece.height for piece in pieces] or [0.0])
    return [piece for piece in pieces if piece.height >= least]


def _pieces(lines: Sequence[Line]) -> Iterator[_Piece]:
    for line in lines:
        for part in line.words or (line,):
            height, width = _sides(part)
            length = width / max(height, 1.0)
            yield _Piece(part.text, _certainty(part, length), length, height)


def _certainty(part: Line | Word, length: float) -> float:
    count = sum(not one.isspace() for one in part.text)
    sparse = length > _LEAST_DENSITY_FROM and count < _LEAST_DENSITY * length
    return 0.0 if count == 0 or sparse or not math.isfinite(part.confidence) else part.confidence


def _sides(part: Line | Word) -> tuple[float, float]:
    """The shorter and the longer side: vertical text is as long as it is high."""
    first, second, _, last = part.corners
    shorter, longer = sorted((math.dist(first, second), math.dist(first, last)))
    return shorter, longer


def _is_number(text: str) -> bool:
    """Digits and signs, in whatever order: every model reads them."""
    return bool(text.strip()) and not any(map(str.isalpha, text))


def _reads(reader: Reader) -> str:
    if reader.coverage is not None:
        return f"{reader.engine}'s {reader.model} ({reader.coverage.describe()})"
    return f"{reader.engine} with {reader.model}"
