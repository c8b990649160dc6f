"""Tesseract, as the system has it: over a hundred languages, and several at once."""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ocrstream_worker.engines.languages import find_language
from ocrstream_worker.engines.lines import Line, Word, line_of_words, to_boxes, upright
from ocrstream_worker.engines.model_files import hash_files
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Recognition,
    Refused,
    RgbImage,
)
from ocrstream_worker.engines.raster import fit
from ocrstream_worker.engines.tesseract_library import ModelsMissing, TesseractLibrary

# It refuses longer sides, and rasters of a few pixels.
_MAX_SIDE = 32_000
_MIN_SIDE = 32
_MAX_RATIO = 1_000.0
_LINE, _WORD = 4, 5


class TesseractEngine:
    """Lines and words of upright pages, one image after the other, on the CPU.

    Its models are those of `OCRSTREAM_LANGUAGES`, in that order, the first being the likeliest.
    """

    def __init__(self, settings: EngineSettings) -> None:
        if settings.device != "cpu" and not settings.allow_cpu:
            raise EngineUnavailable(
                f"Tesseract computes on the CPU only, and OCRSTREAM_ENGINE_DEVICE is"
                f" {settings.device}. Leave it out, or set OCRSTREAM_ALLOW_CPU=true"
            )
        self._min_confidence = settings.min_confidence
        try:
            self._library = TesseractLibrary(model_names(settings.languages), settings.threads)
        except ModelsMissing as error:
            packages = (f"tesseract-ocr-{model.replace('_', '-')}" for model in error.models)
            raise EngineUnavailable(
                f"{error}. On Debian: apt-get install {' '.join(packages)}. Elsewhere: put their"
                " .traineddata files there, or set TESSDATA_PREFIX to where they are"
            ) from error
        self.info = EngineInfo(
            name="tesseract",
            versions={"tesseract": self._library.version},
            device="cpu",
            models=hash_files(self._library.model_files),
        )

    def warm_up(self) -> None:
        """Its models are loaded from the start."""

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions]
    ) -> list[Outcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _recognize_one(self, image: RgbImage, options: ReadOptions) -> Outcome:
        begun = time.perf_counter()
        height, width = image.shape[:2]
        fitted = fit(image, min_side=_MIN_SIDE, max_side=_MAX_SIDE, max_ratio=_MAX_RATIO)
        lines: list[Line] = []
        # Looking for the parts of a page it overlooks a lone line, above all a Korean one.
        for one_column in (False, True):
            found = self._library.read(fitted.pixels, one_column=one_column)
            if found is None:
                return Refused(error="Tesseract gave up on the image")
            if lines := list(parse_tsv(found, fitted.scale)):
                break
        boxes = to_boxes(lines, options.boxes, self._min_confidence, width, height)
        timings_s = {"recognize": time.perf_counter() - begun}
        return Recognition(boxes=boxes, provenance=self.info.provenance(image, options, timings_s))


def model_names(languages: Sequence[str]) -> tuple[str, ...]:
    """Tesseract's names for the languages; one that is not known stays as it is."""
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


def parse_tsv(tsv: str, scale: tuple[float, float] = (1.0, 1.0)) -> Iterator[Line]:
    """The lines in Tesseract's tab-separated values, in its reading order.

    A row is level, page, block, paragraph, line, word, left, top, width, height, confidence in
    percent, text. A line's row comes before those of its words. `scale` takes places to pixels.
    """
    rows = (_parse_row(row, scale) for row in tsv.splitlines())
    pieces = (row for row in rows if row.level in (_LINE, _WORD))
    for _, group in groupby(pieces, key=lambda row: row.line):
        line, *rest = group
        words = [Word(row.text, row.confidence, row.box) for row in rest if row.text.strip()]
        if words:
            yield line_of_words(words, line.box)


def _parse_row(row: str, scale: tuple[float, float]) -> _Row:
    level, *fields = row.split("\t", 11)
    left, top, width, height = (int(field) for field in fields[5:9])
    x, y = scale
    return _Row(
        level=int(level),
        line=tuple(fields[:4]),
        box=upright(left * x, top * y, (left + width) * x, (top + height) * y),
        confidence=float(fields[9]) / 100,
        text=fields[10],
    )
