"""docTR: several pages in one call of its predictor. Requires `python-doctr` and torch."""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from ocrstream_worker.engines.coverage import coverage
from ocrstream_worker.engines.doctr_models import DoctrModels
from ocrstream_worker.engines.errors import EngineBrokenError
from ocrstream_worker.engines.language_support import check_languages_supported, find_languages
from ocrstream_worker.engines.lines import Corners, Line, Word, box_corners, join_words
from ocrstream_worker.engines.model_files import hash_files
from ocrstream_worker.engines.port import (
    RECOGNITION_VERSION,
    EngineInfo,
    EngineSettings,
    Preprocessing,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
)
from ocrstream_worker.engines.resizing import resize_to_limits
from ocrstream_worker.engines.result_warnings import RecognitionModel
from ocrstream_worker.engines.results import RecognizedPage, to_recognition

_MIN_SIDE = 32
_MAX_SIDE = 8192
_MAX_RATIO = 32.0


class DoctrEngine:
    """Recognises lines of words with docTR.

    `straight` pages hold upright text: the fastest. On `rotated` pages each word may have any angle
    and is turned upright by itself. `straightened` pages are turned as a whole first; their boxes
    are mapped back to the original page.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        own = settings.doctr
        # docTR prepares pages on further threads, beside those that compute.
        if settings.threads == 1:
            os.environ["DOCTR_MULTIPROCESSING_DISABLE"] = "TRUE"
        self._models = DoctrModels(settings)
        check_languages_supported(
            find_languages(settings.languages),
            self._models.vocabulary,
            f"docTR's {own.recognition}",
            {},
        )
        self.characters = frozenset(self._models.vocabulary)
        """All characters that its recogniser can produce."""
        self._model = RecognitionModel("doctr", own.recognition, coverage(self.characters))
        self.predictor: Any = None
        """docTR's own predictor; None before `warm_up`."""
        self.info = EngineInfo(
            name="doctr",
            versions={
                "ocrstream": RECOGNITION_VERSION,
                "python-doctr": version("python-doctr"),
                "torch": version("torch"),
                "detection": own.detection,
                "recognition": own.recognition,
                "precision": self._models.precision,
            },
            device=self._models.device,
            models=hash_files(self._models.files),
        )

    def warm_up(self) -> None:
        self.predictor = self._models.build()
        blank = np.full((256, 256, 3), 255, dtype=np.uint8)
        striped = blank.copy()
        striped[100:140, 40:200] = 0
        # Models are compiled for each batch size: full batches and single pages are frequent.
        self._predict([striped] * self._settings.batch_size)
        self._predict([blank])

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        started_at = time.perf_counter()
        resized = [
            resize_to_limits(image, min_side=_MIN_SIDE, max_side=_MAX_SIDE, max_ratio=_MAX_RATIO)
            for image in images
        ]
        pages = self._predict([one.pixels for one in resized])
        timings_s = {"recognize": (time.perf_counter() - started_at) / len(images)}
        recognized_pages = [
            RecognizedPage(
                list(page_lines(page, *_size(one.pixels, one.scale))),
                Preprocessing(shrink=round(max(one.scale), 3)),
                timings_s,
            )
            for page, one in zip(pages, resized, strict=True)
        ]
        return [
            to_recognition(
                *one,
                info=self.info,
                model=self._model,
                min_confidence=self._settings.min_confidence,
            )
            for one in zip(recognized_pages, images, options, strict=True)
        ]

    def _predict(self, images: Sequence[RgbImage]) -> Sequence[Mapping[str, Any]]:
        try:
            return self.predictor(list(images)).export()["pages"]
        except self._models.out_of_memory as error:
            raise EngineBrokenError(
                f"the GPU has not enough memory for {len(images)} pages"
            ) from error


def page_lines(page: Mapping[str, Any], width: float, height: float) -> Iterator[Line]:
    """The lines of one page of docTR's export, converted from fractions of its sides to pixels.

    A geometry is two corners of an upright box or four points of a polygon.
    """
    lines = (line for block in page["blocks"] for line in block["lines"] if line["words"])
    for line in lines:
        words = [
            Word(
                word["value"],
                float(word["confidence"]),
                _corners(word["geometry"], width, height),
            )
            for word in line["words"]
        ]
        corners = _corners(line["geometry"], width, height)
        yield join_words(words, _turned_like(corners, words[0].corners))


def _turned_like(corners: list[tuple[float, float]], word: Corners) -> list[tuple[float, float]]:
    """The line's corners from where its text begins, which docTR tells of words only."""
    (x1, y1), (x2, y2) = word[0], word[1]

    def along(first: int) -> float:
        (a, b), (c, d) = corners[first], corners[(first + 1) % 4]
        return ((c - a) * (x2 - x1) + (d - b) * (y2 - y1)) / (math.hypot(c - a, d - b) or 1.0)

    first = max(range(4), key=along)
    return corners[first:] + corners[:first]


def _size(pixels: RgbImage, scale: tuple[float, float]) -> tuple[float, float]:
    return pixels.shape[1] * scale[0], pixels.shape[0] * scale[1]


def _corners(
    geometry: Sequence[Sequence[float]], width: float, height: float
) -> list[tuple[float, float]]:
    points = [(float(x) * width, float(y) * height) for x, y in geometry]
    return box_corners(*points[0], *points[1]) if len(points) == 2 else points
